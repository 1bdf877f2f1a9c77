/*
 * Starts the ClickHouse engine as one replica of a cluster, for tests on one machine. Nothing of this is for production.
 *
 *   launch LIBRARY INTERSERVER_HOST INTERSERVER_PORT DDL_QUEUE DDL_REPLICAS CLOCK_SECONDS clickhouse ARGUMENT...
 *
 * libchdb.so holds all that a replica needs: the HTTP and TCP servers, ReplicatedMergeTree, the listener from which
 * other replicas fetch parts, and the worker behind ON CLUSTER. But its entry point, query_stable_v2, is that of
 * clickhouse-local, and starts the first two only. So this program loads the library, and before it calls the entry
 * point it changes a few instructions in its own memory, so that
 *
 *   - the second <listen_host> of config.xml serves part fetches and not queries,
 *   - the worker of ON CLUSTER starts with it,
 *   - a table asks for the address, the scheme and the credentials of part fetches and gets an answer, which
 *     clickhouse-local refuses,
 *   - a connection that breaks ends that connection: clickhouse-local ends its process, so that a killed replica would
 *     now and then take others with it,
 *   - its clock is CLOCK_SECONDS ahead of the machine's, where that is not 0.
 *
 * The offsets are those of one build. The caller compares the file's sha256 first; here the instructions around each
 * offset are compared too, and a mismatch ends the program with status 9 before anything is changed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define STATUS_USAGE 1
#define STATUS_NO_RESULT 2
#define STATUS_ENGINE_ERROR 3
#define STATUS_OTHER_BUILD 9

/* Offsets into libchdb.so of @chdb/lib-linux-x64-gnu 26.7.3-stable.1. */
#define GET_INTERSERVER_ADDRESS 0x1417c9c0UL /* Context::getInterserverIOAddress */
#define GET_CREDENTIALS 0x1417c940UL         /* Context::getInterserverCredentials */
#define GET_SCHEME 0x1417cac0UL              /* Context::getInterserverScheme */
#define CREDENTIALS_SERVER_RETURN 0x183d5270UL /* where the listener's call of GET_CREDENTIALS returns to */
#define CREATE_FACTORY 0x18395cc0UL          /* createHandlerFactory, of an HTTP listener */
#define CALL_OF_FACTORY 0x0f117ff6UL         /* the call instruction to it, in SYSTEM START LISTEN */
#define DDL_WORKER_CONSTRUCTOR 0x14243400UL  /* DDLWorker::DDLWorker */
#define DDL_WORKER_STARTUP 0x14245300UL      /* DDLWorker::startup */
#define ON_UNCAUGHT_EXCEPTION 0x0f113480UL   /* KillingErrorHandler::exception, of a connection's thread */
#define STD_TERMINATE 0x20f39b80UL           /* what it calls */
#define CAN_REPLICATE_DDL 0x142891c0UL       /* whether ON CLUSTER is allowed at all */

/* The virtual function of the server object that returns its context, and where a context keeps its DDL worker. */
#define CONTEXT_VIRTUAL_FUNCTION 2
#define SHARED_DDL_WORKER 0xd80
/* More than a DDLWorker is large. */
#define DDL_WORKER_BYTES 4096

/* libc++'s std::string: short ones lie in its 24 bytes, the length in the last; long ones are a pointer. */
#define STRING_BYTES 24
#define SHORT_STRING_LIMIT 22
struct long_string {
  const char *text;
  uint64_t length;
  uint64_t capacity; /* the highest bit says that it is a long one */
};
#define LONG_STRING_BIT (1UL << 63)

/* A std::shared_ptr of this build: trivial to pass, so it comes and goes in two registers. */
struct shared_ptr {
  void *object;
  void *control;
};

/* What query_stable_v2 returns, in full: we look at three of its fields. */
struct local_result_v2 {
  char *buf;
  size_t len;
  void *vec;
  double elapsed;
  uint64_t rows_read;
  uint64_t bytes_read;
  char *error_message;
};

static uint8_t *library;
static char interserver_host[SHORT_STRING_LIMIT + 1];
static uint16_t interserver_port;
static const char *ddl_queue;
static const char *ddl_replicas;

static void write_string(uint8_t *at, const char *text) {
  size_t length = strlen(text);
  memset(at, 0, STRING_BYTES);
  if (length <= SHORT_STRING_LIMIT) {
    memcpy(at, text, length);
    at[STRING_BYTES - 1] = (uint8_t)length;
    return;
  }
  /* Never freed: it lives as long as the server. */
  char *copy = malloc(length + 9);
  memcpy(copy, text, length + 1);
  struct long_string *string = (struct long_string *)at;
  string->text = copy;
  string->length = length;
  string->capacity = LONG_STRING_BIT | (length + 8);
}

/* What the library calls in place of its own functions. */

/* std::pair<std::string, UInt16> Context::getInterserverIOAddress() const */
static void *our_interserver_address(uint8_t *result, void *context) {
  (void)context;
  write_string(result, interserver_host);
  memcpy(result + STRING_BYTES, &interserver_port, sizeof(interserver_port));
  return result;
}

/* std::string Context::getInterserverScheme() const */
static void *our_scheme(uint8_t *result, void *context) {
  (void)context;
  write_string(result, "http");
  return result;
}

/*
 * std::shared_ptr<const InterserverCredentials> Context::getInterserverCredentials() const: who fetches sends an empty
 * user and password (an object of zeros), who is asked has none to compare them with.
 */
static struct shared_ptr our_credentials(void *context) {
  static uint8_t nobody[512];
  struct shared_ptr result = {nobody, NULL};
  (void)context;
  if ((uint8_t *)__builtin_return_address(0) == library + CREDENTIALS_SERVER_RETURN) result.object = NULL;
  return result;
}

static char our_can_replicate_ddl(void *self) {
  (void)self;
  return 1;
}

typedef struct shared_ptr (*get_context)(void *server);
typedef void (*construct_ddl_worker)(void *self, int pool_size, void *queue, void *replicas, void *context,
                                     void *context_control, void *config, void *prefix, void *zookeeper, void *logger,
                                     void *max_entry_metric, void *max_pushed_metric);

/* As ClickHouse's server does at its start. */
static void start_ddl_worker(void *server, void *config) {
  static uint8_t queue[STRING_BYTES], replicas[STRING_BYTES], prefix[STRING_BYTES], zookeeper[STRING_BYTES],
      logger[STRING_BYTES];
  struct shared_ptr context = (*(get_context **)server)[CONTEXT_VIRTUAL_FUNCTION](server);
  uint8_t *shared = *(uint8_t **)context.object;
  void **place = (void **)(shared + SHARED_DDL_WORKER);
  if (*place != NULL) {
    fprintf(stderr, "[launch] there is a DDL worker already\n");
    return;
  }
  write_string(queue, ddl_queue);
  write_string(replicas, ddl_replicas);
  write_string(prefix, "distributed_ddl");
  write_string(zookeeper, "default");
  write_string(logger, "DDLWorker");
  void *worker = aligned_alloc(64, DDL_WORKER_BYTES);
  memset(worker, 0, DDL_WORKER_BYTES);
  ((construct_ddl_worker)(library + DDL_WORKER_CONSTRUCTOR))(worker, 1, queue, replicas, context.object,
                                                            context.control, config, prefix, zookeeper, logger, NULL,
                                                            NULL);
  *place = worker;
  ((void (*)(void *))(library + DDL_WORKER_STARTUP))(worker);
  fprintf(stderr, "[launch] the DDL worker runs\n");
}

typedef struct shared_ptr (*create_factory)(void *server, void *config, void *metrics, void *name, void *extra);

/* createHandlerFactory(): called for each <listen_host> of the HTTP server, the one for queries first. */
static struct shared_ptr our_create_factory(void *server, void *config, void *metrics, void *name, void *extra) {
  static int calls;
  create_factory create = (create_factory)(library + CREATE_FACTORY);
  if (__sync_add_and_fetch(&calls, 1) % 2 == 1) return create(server, config, metrics, name, extra);
  static uint8_t interserver[STRING_BYTES];
  write_string(interserver, "InterserverIOHTTPHandler-factory");
  struct shared_ptr result = create(server, config, metrics, interserver, extra);
  start_ddl_worker(server, config);
  return result;
}

/* Changing instructions. */

static void make_writable(uint8_t *at, size_t bytes) {
  uintptr_t from = (uintptr_t)at & ~4095UL;
  uintptr_t to = ((uintptr_t)at + bytes + 4095) & ~4095UL;
  mprotect((void *)from, to - from, PROT_READ | PROT_WRITE | PROT_EXEC);
}

#define JUMP_BYTES 12

/* mov rax, target; jmp rax */
static void make_jump(uint8_t *at, void *target) {
  at[0] = 0x48;
  at[1] = 0xb8;
  memcpy(at + 2, &target, 8);
  at[10] = 0xff;
  at[11] = 0xe0;
}

static void write_jump(uint8_t *at, void *target) {
  make_writable(at, JUMP_BYTES);
  make_jump(at, target);
}

/* A free page that a call instruction at `at` can reach: it has 32 bits for the distance. */
static uint8_t *page_near(uint8_t *at) {
  for (int64_t distance = 1 << 20; distance < (1LL << 30); distance += 1 << 20) {
    for (int sign = -1; sign <= 1; sign += 2) {
      void *wanted = (void *)(((uintptr_t)at + sign * distance) & ~4095UL);
      void *page = mmap(wanted, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
      if (page == wanted) return page;
      if (page != MAP_FAILED) munmap(page, 4096);
    }
  }
  return NULL;
}

static int is_call(const uint8_t *at, const uint8_t *target) {
  int32_t distance;
  memcpy(&distance, at + 1, 4);
  return at[0] == 0xe8 && at + 5 + distance == target;
}

/*
 * The clock. Whoever asks for it in this process, the engine's own C library too, asks the kernel's vDSO: its functions
 * are changed in our copy of that page, which the kernel makes where it is written as a debugger does.
 */

static long clock_seconds;

static int our_clock_gettime(clockid_t clock, struct timespec *time) {
  long result = syscall(SYS_clock_gettime, clock, time);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time->tv_sec += clock_seconds;
  return (int)result;
}

static int our_gettimeofday(struct timeval *time, void *zone) {
  long result = syscall(SYS_gettimeofday, time, zone);
  if (time != NULL) time->tv_sec += clock_seconds;
  return (int)result;
}

static time_t our_time(time_t *time) {
  struct timespec now;
  our_clock_gettime(CLOCK_REALTIME, &now);
  if (time != NULL) *time = now.tv_sec;
  return now.tv_sec;
}

/* ret */
static void write_return(uint8_t *at) {
  make_writable(at, 1);
  at[0] = 0xc3;
}

static void require(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "[launch] %s: this libchdb.so is another build\n", what);
  exit(STATUS_OTHER_BUILD);
}

static void shift_clock(void) {
  struct { const char *name; void *ours; } functions[] = {
    {"__vdso_clock_gettime", our_clock_gettime}, {"__vdso_gettimeofday", our_gettimeofday}, {"__vdso_time", our_time},
  };
  void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
  int memory = open("/proc/self/mem", O_RDWR);
  for (int i = 0; i < 3; i++) {
    uint8_t jump[JUMP_BYTES];
    uint8_t *theirs = vdso == NULL ? NULL : dlsym(vdso, functions[i].name);
    make_jump(jump, functions[i].ours);
    if (theirs != NULL && pwrite(memory, jump, JUMP_BYTES, (off_t)(uintptr_t)theirs) == JUMP_BYTES) continue;
    fprintf(stderr, "[launch] the clock cannot be changed: %s\n", functions[i].name);
    exit(STATUS_USAGE);
  }
  close(memory);
}

static void become_a_replica(void) {
  static const uint8_t address_starts[] = {0x41, 0x56, 0x53, 0x48, 0x83, 0xec, 0x48, 0x4c, 0x8b, 0x36};
  static const uint8_t scheme_starts[] = {0x48, 0x8b, 0x06, 0x80, 0xb8, 0x87, 0x01, 0x00, 0x00, 0x00};
  uint8_t *call = library + CALL_OF_FACTORY;
  require(memcmp(library + GET_INTERSERVER_ADDRESS, address_starts, sizeof(address_starts)) == 0, "interserver address");
  require(memcmp(library + GET_SCHEME, scheme_starts, sizeof(scheme_starts)) == 0, "interserver scheme");
  require(is_call(call, library + CREATE_FACTORY), "handler factory");
  require(is_call(library + CREDENTIALS_SERVER_RETURN - 5, library + GET_CREDENTIALS), "interserver credentials");
  uint8_t *uncaught = library + ON_UNCAUGHT_EXCEPTION;
  require(uncaught[0] == 0x50 && is_call(uncaught + 1, library + STD_TERMINATE), "uncaught exception");

  write_return(uncaught);
  write_jump(library + GET_INTERSERVER_ADDRESS, our_interserver_address);
  write_jump(library + GET_CREDENTIALS, our_credentials);
  write_jump(library + GET_SCHEME, our_scheme);
  write_jump(library + CAN_REPLICATE_DDL, our_can_replicate_ddl);

  /* Of createHandlerFactory this one call is changed, and not the function: ours calls it. */
  uint8_t *page = page_near(call);
  require(page != NULL, "no free page");
  write_jump(page, our_create_factory);
  int32_t distance = (int32_t)(page - (call + 5));
  make_writable(call, 5);
  memcpy(call + 1, &distance, 4);
}

int main(int argc, char **argv) {
  if (argc < 8) {
    fprintf(stderr, "usage: launch LIBRARY INTERSERVER_HOST INTERSERVER_PORT DDL_QUEUE DDL_REPLICAS CLOCK_SECONDS clickhouse ...\n");
    return STATUS_USAGE;
  }
  void *handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) {
    fprintf(stderr, "[launch] %s\n", dlerror());
    return STATUS_USAGE;
  }
  strncpy(interserver_host, argv[2], SHORT_STRING_LIMIT);
  interserver_port = (uint16_t)atoi(argv[3]);
  ddl_queue = argv[4];
  ddl_replicas = argv[5];
  clock_seconds = atol(argv[6]);
  if (clock_seconds != 0) shift_clock();

  struct link_map *map;
  dlinfo(handle, RTLD_DI_LINKMAP, &map);
  library = (uint8_t *)map->l_addr;
  struct local_result_v2 *(*query)(int, char **) = dlsym(handle, "query_stable_v2");
  require(query != NULL, "query_stable_v2");
  become_a_replica();

  struct local_result_v2 *result = query(argc - 7, argv + 7);
  if (result == NULL) {
    fprintf(stderr, "[launch] the engine ended without a result\n");
    return STATUS_NO_RESULT;
  }
  if (result->error_message != NULL) {
    fprintf(stderr, "[launch] %s\n", result->error_message);
    return STATUS_ENGINE_ERROR;
  }
  if (result->buf != NULL) fwrite(result->buf, 1, result->len, stdout);
  return 0;
}
