// What the agent is measured against: the least C that boots guests from an image on warm
// connections. It makes the librados, librbd and libvirt calls of the agent's boot, and nothing
// else: it, too, makes the VM its own in the registry, and lets the guest run only once the
// registry has the address of whoever has its disk open.
//
//   baseline CEPH_CONF KEYRING ENTITY IMAGE DISK_BYTES      (images/IMAGE@snap to vms/UUID_disk)
//
// It reads commands from stdin, one a line; the XML of a domain is the rest of its line. It answers
// each with one line: "ok" and microseconds, or "error" and why.
//   storage UUID     clone grow: a root disk, marked as the VM's
//   clone UUID       clone grow: the same without the mark, which is the agent's own care
//   boot UUID XML    clone grow define create registry: a guest that runs
//   bare UUID XML    clone grow define create registry: the same without the registry
//   storm COUNT      storage: COUNT lines "UUID XML" follow, each is a thread that makes a root
//   disk
//                    and defines the domain; from the first clone's start to the last root disk
//   remove UUID      total: whatever there is of it
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <pthread.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kMaxStorm = 64, kUuidSize = 37 };

static const char kSnapshot[] = "snap";

static rados_t cluster;
static virConnectPtr hypervisor;
static const char* image;
static uint64_t disk_bytes;

struct boot {
  char uuid[kUuidSize];
  char* xml;
  pthread_t thread;
  long clone_us, grow_us, define_us, create_us, registry_us;
  long storage_start_us, storage_end_us;
  uint64_t version;  // of its record; 0: it has none
  char error[256];
};

static long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static bool failed(struct boot* boot, const char* what, int result) {
  if (result >= 0) return false;
  snprintf(boot->error, sizeof(boot->error), "%s %s: %s", what, boot->uuid, strerror(-result));
  return true;
}

static bool libvirt_failed(struct boot* boot, const char* what) {
  snprintf(boot->error, sizeof(boot->error), "%s %s: %s", what, boot->uuid,
           virGetLastErrorMessage());
  return true;
}

static int clone_image(rados_ioctx_t images, rados_ioctx_t vms, const char* disk) {
  rbd_image_options_t options;
  rbd_image_options_create(&options);
  const int result = rbd_clone3(images, image, kSnapshot, vms, disk, options);
  rbd_image_options_destroy(options);
  return result;
}

static int grow(rados_ioctx_t vms, const char* disk, const char* owner) {
  rbd_image_t child;
  uint64_t size = 0;
  int result = rbd_open(vms, disk, &child, NULL);
  if (result < 0) return result;
  if (owner != NULL) result = rbd_metadata_set(child, "hvagent.vm", owner);
  if (result == 0) result = rbd_get_size(child, &size);
  if (result == 0 && size < disk_bytes) result = rbd_resize(child, disk_bytes);
  const int closed = rbd_close(child);
  return result < 0 ? result : closed;
}

// Writes over the record that was written last, or makes it.
static int write_record(rados_ioctx_t pool, struct boot* boot) {
  static const char kRecord[300] = "as much as the agent writes of a small VM";
  char object[64];
  snprintf(object, sizeof(object), "vm.%s", boot->uuid);
  rados_write_op_t op = rados_create_write_op();
  if (boot->version == 0) {
    rados_write_op_create(op, LIBRADOS_CREATE_EXCLUSIVE, NULL);
  } else {
    rados_write_op_assert_version(op, boot->version);
  }
  rados_write_op_write_full(op, kRecord, sizeof(kRecord));
  const int result = rados_write_op_operate(op, pool, object, NULL, 0);
  rados_release_write_op(op);
  boot->version = rados_get_last_version(pool);
  return result;
}

static int write_index(rados_ioctx_t pool, const char* uuid, bool add) {
  const char* value = "";
  const size_t key_size = strlen(uuid), value_size = 0;
  rados_write_op_t op = rados_create_write_op();
  if (add) {
    rados_write_op_omap_set2(op, &uuid, &value, &key_size, &value_size, 1);
  } else {
    rados_write_op_omap_rm_keys2(op, &uuid, &key_size, 1);
  }
  const int result = rados_write_op_operate(op, pool, "node.baseline", NULL, 0);
  rados_release_write_op(op);
  return result;
}

// The VM becomes ours, if it is nobody's.
static bool claim(struct boot* boot) {
  const long start = now_us();
  char object[64], found[64];
  snprintf(object, sizeof(object), "vm.%s", boot->uuid);
  rados_ioctx_t pool;
  if (failed(boot, "open pool for", rados_ioctx_create(cluster, "hvagent", &pool))) return false;
  int result = rados_read(pool, object, found, sizeof(found), 0);
  if (result >= 0) result = -EEXIST;
  if (result == -ENOENT) result = write_index(pool, boot->uuid, true);
  if (result == 0) result = write_record(pool, boot);
  rados_ioctx_destroy(pool);
  boot->registry_us = now_us() - start;
  return !failed(boot, "claim", result);
}

static int find_client(const struct boot* boot) {
  char disk[64];
  snprintf(disk, sizeof(disk), "%s_disk", boot->uuid);
  rados_ioctx_t vms;
  rbd_image_t root;
  int result = rados_ioctx_create(cluster, "vms", &vms);
  if (result < 0) return result;
  result = rbd_open_read_only(vms, disk, &root, NULL);
  if (result == 0) {
    rbd_image_watcher_t watchers[8];
    size_t count = 8;
    result = rbd_watchers_list(root, watchers, &count);
    if (result == 0) rbd_watchers_list_cleanup(watchers, count);
    rbd_close(root);
  }
  rados_ioctx_destroy(vms);
  return result;
}

// Records who has the paused guest's disk open, lets it run, and records that.
static bool record_and_resume(struct boot* boot, virDomainPtr domain) {
  const long start = now_us();
  rados_ioctx_t pool;
  if (failed(boot, "open pool for", rados_ioctx_create(cluster, "hvagent", &pool))) return false;
  int result = find_client(boot);
  if (result == 0) result = write_record(pool, boot);
  const bool resumed = result == 0 && virDomainResume(domain) == 0;
  if (resumed) result = write_record(pool, boot);
  rados_ioctx_destroy(pool);
  boot->registry_us += now_us() - start;
  if (failed(boot, "record", result)) return false;
  return resumed || !libvirt_failed(boot, "resume");
}

static bool make_root_disk(struct boot* boot, bool marked) {
  char disk[64];
  snprintf(disk, sizeof(disk), "%s_disk", boot->uuid);
  rados_ioctx_t images, vms;
  if (failed(boot, "open pool for", rados_ioctx_create(cluster, "images", &images))) return false;
  if (failed(boot, "open pool for", rados_ioctx_create(cluster, "vms", &vms))) return false;
  const long start = now_us();
  int result = clone_image(images, vms, disk);
  const long cloned_at = now_us();
  if (result == 0) result = grow(vms, disk, marked ? boot->uuid : NULL);
  boot->storage_start_us = start;
  boot->storage_end_us = now_us();
  boot->clone_us = cloned_at - start;
  boot->grow_us = boot->storage_end_us - cloned_at;
  rados_ioctx_destroy(vms);
  rados_ioctx_destroy(images);
  return !failed(boot, "make the root disk of", result);
}

enum start { kNoStart, kStart, kStartRecorded };

// The node's hook lets the agent's guests start only with this file there, and ours look like them.
static bool order_start(struct boot* boot, bool give) {
  char path[96];
  snprintf(path, sizeof(path), "/run/hypervisor-agent/starts/%s", boot->uuid);
  if (!give) return unlink(path) == 0;
  const int file = open(path, O_WRONLY | O_CREAT, 0600);
  if (file < 0) return !failed(boot, "order the start of", -errno);
  close(file);
  return true;
}

static bool define(struct boot* boot, unsigned int flags, enum start start) {
  const long begin = now_us();
  virDomainPtr domain = virDomainDefineXMLFlags(hypervisor, boot->xml, flags);
  if (domain == NULL) return !libvirt_failed(boot, "define");
  const long defined_at = now_us();
  boot->define_us = defined_at - begin;
  bool done = true;
  if (start != kNoStart && !order_start(boot, true)) return false;
  const unsigned int start_flags = start == kStartRecorded ? VIR_DOMAIN_START_PAUSED : 0;
  if (start != kNoStart && virDomainCreateWithFlags(domain, start_flags) != 0) {
    done = !libvirt_failed(boot, "start");
  }
  if (start != kNoStart) order_start(boot, false);
  boot->create_us = now_us() - defined_at;
  if (done && start == kStartRecorded) done = record_and_resume(boot, domain);
  virDomainFree(domain);
  return done;
}

static void* storm_thread(void* argument) {
  struct boot* boot = argument;
  // Only the root disks are timed, so what goes on beside them must be what it is in the agent: it
  // lets libvirt validate what it defines. A single boot here does without.
  if (claim(boot) && make_root_disk(boot, true)) {
    define(boot, VIR_DOMAIN_DEFINE_VALIDATE, kNoStart);
  }
  return NULL;
}

static void answer_times(const struct boot* boot, bool with_domain) {
  if (boot->error[0] != '\0') {
    printf("error %s\n", boot->error);
    return;
  }
  printf("ok %ld %ld", boot->clone_us, boot->grow_us);
  if (with_domain) {
    printf(" %ld %ld %ld", boot->define_us, boot->create_us, boot->registry_us);
  }
  printf("\n");
}

// "UUID XML", or "UUID" alone. False when it is neither.
static bool parse_boot(char* text, struct boot* boot) {
  memset(boot, 0, sizeof(*boot));
  text[strcspn(text, "\n")] = '\0';
  const size_t length = strcspn(text, " ");
  if (length != kUuidSize - 1) return false;
  memcpy(boot->uuid, text, length);
  boot->xml = text[length] == ' ' ? text + length + 1 : NULL;
  return true;
}

static void storm(int count) {
  static struct boot boots[kMaxStorm];
  static char* lines[kMaxStorm];
  static size_t sizes[kMaxStorm];
  for (int i = 0; i < count; ++i) {
    if (getline(&lines[i], &sizes[i], stdin) < 0 || !parse_boot(lines[i], &boots[i])) {
      printf("error a storm of %d needs as many lines of UUID XML\n", count);
      return;
    }
  }
  for (int i = 0; i < count; ++i) pthread_create(&boots[i].thread, NULL, storm_thread, &boots[i]);
  long start = LONG_MAX, end = 0;
  const char* error = NULL;
  for (int i = 0; i < count; ++i) {
    pthread_join(boots[i].thread, NULL);
    if (boots[i].storage_start_us < start) start = boots[i].storage_start_us;
    if (boots[i].storage_end_us > end) end = boots[i].storage_end_us;
    if (boots[i].error[0] != '\0') error = boots[i].error;
  }
  error == NULL ? printf("ok %ld\n", end - start) : printf("error %s\n", error);
}

static int unregister(const char* uuid) {
  char object[64];
  snprintf(object, sizeof(object), "vm.%s", uuid);
  rados_ioctx_t pool;
  int result = rados_ioctx_create(cluster, "hvagent", &pool);
  if (result < 0) return result;
  result = rados_remove(pool, object);
  if (result == 0) result = write_index(pool, uuid, false);
  rados_ioctx_destroy(pool);
  return result;
}

static void remove_all(const char* uuid) {
  char disk[64];
  snprintf(disk, sizeof(disk), "%s_disk", uuid);
  const long start = now_us();
  virDomainPtr domain = virDomainLookupByUUIDString(hypervisor, uuid);
  if (domain != NULL) {
    if (virDomainIsActive(domain) == 1) virDomainDestroy(domain);
    virDomainUndefine(domain);
    virDomainFree(domain);
  }
  rados_ioctx_t vms;
  int result = rados_ioctx_create(cluster, "vms", &vms);
  if (result == 0) {
    result = rbd_remove(vms, disk);
    rados_ioctx_destroy(vms);
  }
  if (result == 0 || result == -ENOENT) result = unregister(uuid);
  if (result < 0 && result != -ENOENT) {
    printf("error remove %s: %s\n", disk, strerror(-result));
  } else {
    printf("ok %ld\n", now_us() - start);
  }
}

static void obey(char* line) {
  const size_t length = strcspn(line, " \n");
  char* rest = line[length] == '\0' ? line + length : line + length + 1;
  line[length] = '\0';
  struct boot boot;
  if (strcmp(line, "storm") == 0) {
    const int count = atoi(rest);
    count > 0 && count <= kMaxStorm ? storm(count) : (void)puts("error storm of how many?");
  } else if (!parse_boot(rest, &boot)) {
    puts("error no UUID");
  } else if (strcmp(line, "storage") == 0) {
    if (claim(&boot)) make_root_disk(&boot, true);
    answer_times(&boot, false);
  } else if (strcmp(line, "clone") == 0) {
    make_root_disk(&boot, false);
    answer_times(&boot, false);
  } else if (strcmp(line, "boot") == 0 && boot.xml != NULL) {
    if (claim(&boot) && make_root_disk(&boot, true)) define(&boot, 0, kStartRecorded);
    answer_times(&boot, true);
  } else if (strcmp(line, "bare") == 0 && boot.xml != NULL) {
    if (make_root_disk(&boot, true)) define(&boot, 0, kStart);
    answer_times(&boot, true);
  } else if (strcmp(line, "remove") == 0) {
    remove_all(boot.uuid);
  } else {
    puts("error no such command");
  }
}

static void silent(void* data, virErrorPtr error) {
  (void)data;
  (void)error;
}

int main(int argc, char** argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: baseline CEPH_CONF KEYRING ENTITY IMAGE DISK_BYTES\n");
    return 2;
  }
  image = argv[4];
  disk_bytes = strtoull(argv[5], NULL, 10);
  int result = rados_create2(&cluster, "ceph", argv[3], 0);
  if (result == 0) result = rados_conf_read_file(cluster, argv[1]);
  if (result == 0) result = rados_conf_set(cluster, "keyring", argv[2]);
  if (result == 0) result = rados_conf_set(cluster, "rbd_cache", "false");
  if (result == 0) result = rados_connect(cluster);
  if (result < 0) {
    fprintf(stderr, "baseline: cannot connect to Ceph: %s\n", strerror(-result));
    return 1;
  }
  virSetErrorFunc(NULL, silent);
  hypervisor = virConnectOpen("qemu:///system");
  if (hypervisor == NULL) {
    fprintf(stderr, "baseline: cannot connect to libvirt: %s\n", virGetLastErrorMessage());
    return 1;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  char* line = NULL;
  size_t size = 0;
  while (getline(&line, &size, stdin) > 0) obey(line);
  free(line);
  virConnectClose(hypervisor);
  rados_shutdown(cluster);
  return 0;
}
