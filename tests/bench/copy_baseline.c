// What a backup costs without an agent: copies the extents of an image's snapshot to a new image,
// with as many reads and writes in flight as the agent has, in the least calls to librbd, and no
// checksum. Prints the milliseconds that it took on a warm connection.
//
// usage: bench_copy CONF ID KEYRING SOURCE_POOL SOURCE BACKUP_POOL TARGET
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { kChunk = 4 << 20, kInFlight = 14 };  // 24 MiB of reads and 32 MiB of writes

struct copy {
  uint64_t offset;
  size_t length;
  char* data;
};

static rbd_image_t source, target;
static sem_t room;
static struct copy* copies;
static size_t count, capacity;

static void check(int result, const char* what) {
  if (result >= 0) return;
  fprintf(stderr, "bench_copy: %s: %d\n", what, result);
  exit(1);
}

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int add_extent(uint64_t offset, size_t length, int exists, void* arg) {
  (void)arg;
  while (exists && length > 0) {
    size_t part = length < kChunk ? length : kChunk;
    if (count == capacity) {
      capacity = capacity == 0 ? 1024 : 2 * capacity;
      copies = realloc(copies, capacity * sizeof(*copies));
      if (copies == NULL) abort();
    }
    copies[count++] = (struct copy){offset, part, NULL};
    offset += part;
    length -= part;
  }
  return 0;
}

static void on_written(rbd_completion_t completion, void* arg) {
  struct copy* copy = arg;
  check((int)rbd_aio_get_return_value(completion), "write");
  rbd_aio_release(completion);
  free(copy->data);
  sem_post(&room);
}

static void on_read(rbd_completion_t completion, void* arg) {
  struct copy* copy = arg;
  rbd_completion_t write;
  check((int)rbd_aio_get_return_value(completion), "read");
  rbd_aio_release(completion);
  check(rbd_aio_create_completion(copy, on_written, &write), "completion");
  check(rbd_aio_write(target, copy->offset, copy->length, copy->data, write), "write");
}

int main(int argc, char** argv) {
  rados_t cluster;
  rados_ioctx_t from, to;
  uint64_t size;
  rbd_image_info_t info;
  rbd_image_options_t options;
  double start;
  size_t i;
  if (argc != 8) return 2;
  check(rados_create(&cluster, argv[2]), "create");
  check(rados_conf_read_file(cluster, argv[1]), "read the configuration");
  check(rados_conf_set(cluster, "keyring", argv[3]), "set the keyring");
  check(rados_conf_set(cluster, "rbd_cache", "false"), "set rbd_cache");
  check(rados_connect(cluster), "connect");
  check(rados_ioctx_create(cluster, argv[4], &from), "open the source's pool");
  check(rados_ioctx_create(cluster, argv[6], &to), "open the target's pool");

  start = now_ms();
  check(rbd_open(from, argv[5], &source, NULL), "open the source");
  check(rbd_snap_create(source, "bench"), "make a snapshot");
  check(rbd_close(source), "close the source");
  check(rbd_open_read_only(from, argv[5], &source, "bench"), "open the snapshot");
  check(rbd_get_size(source, &size), "get the size");
  check(rbd_stat(source, &info, sizeof(info)), "get the object size");
  rbd_image_options_create(&options);
  rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_ORDER, (uint64_t)info.order);
  check(rbd_create4(to, argv[7], size, options), "create the target");
  check(rbd_open(to, argv[7], &target, NULL), "open the target");
  check(rbd_diff_iterate2(source, NULL, 0, size, 1, 0, add_extent, NULL), "diff");
  sem_init(&room, 0, kInFlight);
  for (i = 0; i < count; ++i) {
    rbd_completion_t read;
    sem_wait(&room);
    copies[i].data = malloc(copies[i].length);
    if (copies[i].data == NULL) abort();
    check(rbd_aio_create_completion(&copies[i], on_read, &read), "completion");
    check(rbd_aio_read(source, copies[i].offset, copies[i].length, copies[i].data, read), "read");
  }
  for (i = 0; i < kInFlight; ++i) sem_wait(&room);
  check(rbd_snap_create(target, "bench"), "make a snapshot of the target");
  rbd_close(target);
  rbd_close(source);
  printf("%.1f\n", now_ms() - start);

  rbd_image_options_destroy(options);
  rados_ioctx_destroy(to);
  rados_ioctx_destroy(from);
  rados_shutdown(cluster);
  return 0;
}
