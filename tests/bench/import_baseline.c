// The least that an import can cost: makes an image and writes where a file has data, from memory,
// with as many writes in flight as the agent has. It reads no file, makes no digest and no
// snapshot. Prints the milliseconds that it took on a warm connection.
//
// usage: bench_write FILE ID POOL IMAGE
#define _GNU_SOURCE
#include <fcntl.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { kPiece = 4 << 20, kInFlight = 8, kOrder = 23 };

static sem_t room;

static void check(int result, const char* what) {
  if (result >= 0) return;
  fprintf(stderr, "bench_write: %s: %d\n", what, result);
  exit(1);
}

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void on_written(rbd_completion_t completion, void* arg) {
  (void)arg;
  check((int)rbd_aio_get_return_value(completion), "write");
  rbd_aio_release(completion);
  sem_post(&room);
}

int main(int argc, char** argv) {
  rados_t cluster;
  rados_ioctx_t pool;
  rbd_image_t image;
  rbd_image_options_t options;
  double start;
  off_t size, at, end;
  char* data;
  int file, i;
  if (argc != 5) return 2;
  file = open(argv[1], O_RDONLY | O_CLOEXEC);
  check(file, "open the file");
  size = lseek(file, 0, SEEK_END);
  data = malloc(kPiece);
  if (data == NULL) abort();
  for (i = 0; i < kPiece; ++i) data[i] = (char)rand();
  check(rados_create(&cluster, argv[2]), "create");
  check(rados_conf_read_file(cluster, NULL), "read the configuration");
  check(rados_conf_set(cluster, "rbd_cache", "false"), "set rbd_cache");
  check(rados_connect(cluster), "connect");
  check(rados_ioctx_create(cluster, argv[3], &pool), "open the pool");

  start = now_ms();
  rbd_image_options_create(&options);
  rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_ORDER, kOrder);
  check(rbd_create4(pool, argv[4], (uint64_t)size, options), "create the image");
  check(rbd_open(pool, argv[4], &image, NULL), "open the image");
  sem_init(&room, 0, kInFlight);
  for (at = 0; (at = lseek(file, at, SEEK_DATA)) >= 0; at = end) {
    end = lseek(file, at, SEEK_HOLE);
    while (at < end) {
      off_t length = kPiece - at % kPiece;
      rbd_completion_t write;
      if (length > end - at) length = end - at;
      sem_wait(&room);
      check(rbd_aio_create_completion(NULL, on_written, &write), "completion");
      check(rbd_aio_write(image, (uint64_t)at, (size_t)length, data, write), "write");
      at += length;
    }
  }
  for (i = 0; i < kInFlight; ++i) sem_wait(&room);
  rbd_close(image);
  printf("%.1f\n", now_ms() - start);

  rbd_image_options_destroy(options);
  rados_ioctx_destroy(pool);
  rados_shutdown(cluster);
  free(data);
  close(file);
  return 0;
}
