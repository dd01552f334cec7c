// A CUDA driver that runs no kernel: `libcuda.so.1` for a machine without a card.
//
// Memory is memory of the host, copies copy, and streams are done at once. A kernel is accepted if a card of its kind could
// launch it, counted, and not run, so that its outputs keep what they held. Programs can therefore be followed to where a card
// would compute: the sources of their kernels, what NVRTC makes of them, sizes of launches and of memory. Results mean nothing.
//
// $NULL_CUDA_ARCH is the compute capability, 90 unless given. $NULL_CUDA_MEMORY are the bytes of the card's memory, 80 GiB unless
// given: what asks for more is out of memory. $NULL_CUDA_OUT names a folder for the PTX of every module
// (`0001.ptx` ..) and, at the end, `launches`: kernel, launches, threads, bytes of shared memory; and `memory`: the peak in bytes.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Result;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500, LAUNCH_OUT_OF_RESOURCES = 701 };
typedef uint64_t Pointer;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
// Handles that callers only pass on.
static char context, event;

static int arch(void) {
    const char *given = getenv("NULL_CUDA_ARCH");
    return given ? atoi(given) : 90;
}

static size_t memory(void) {
    const char *given = getenv("NULL_CUDA_MEMORY");
    return given ? strtoull(given, NULL, 10) : (size_t)80 << 30;
}

// Kernels.

typedef struct Kernel {
    char name[256];
    unsigned long launches;
    unsigned most_threads, most_shared, allowed_shared;
    struct Kernel *next;
} Kernel;
static Kernel *kernels;
static int modules;
static size_t used, peak;

static FILE *out(const char *name) {
    const char *folder = getenv("NULL_CUDA_OUT");
    char path[4096];
    if (!folder) return NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, "w");
}

__attribute__((destructor)) static void report(void) {
    FILE *file = out("launches");
    if (file) {
        for (Kernel *k = kernels; k; k = k->next)
            if (k->launches) fprintf(file, "%s %lu %u %u\n", k->name, k->launches, k->most_threads, k->most_shared);
        fclose(file);
    }
    if ((file = out("memory"))) {
        fprintf(file, "%zu\n", peak);
        fclose(file);
    }
}

Result cuModuleLoadData(void **module, const void *image) {
    char name[32];
    pthread_mutex_lock(&lock);
    int number = ++modules;
    pthread_mutex_unlock(&lock);
    snprintf(name, sizeof name, "%04d.ptx", number);
    FILE *file = out(name);
    if (file) {
        fputs(image, file);
        fclose(file);
    }
    *module = strdup(image);
    return *module ? SUCCESS : OUT_OF_MEMORY;
}
Result cuModuleUnload(void *module) {
    free(module);
    return SUCCESS;
}
Result cuModuleGetFunction(void **function, void *module, const char *name) {
    if (!strstr(module, name)) return NOT_FOUND;
    Kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel) return OUT_OF_MEMORY;
    snprintf(kernel->name, sizeof kernel->name, "%s", name);
    kernel->allowed_shared = 48 << 10;
    pthread_mutex_lock(&lock);
    kernel->next = kernels;
    kernels = kernel;
    pthread_mutex_unlock(&lock);
    *function = kernel;
    return SUCCESS;
}
Result cuFuncSetAttribute(void *function, int attribute, int value) {
    if (attribute != 8) return SUCCESS;  // MAX_DYNAMIC_SHARED_SIZE_BYTES
    if (value < 0 || value > 227 << 10) return INVALID_VALUE;
    ((Kernel *)function)->allowed_shared = (unsigned)value;
    return SUCCESS;
}
static Result launch(Kernel *kernel, unsigned x, unsigned y, unsigned z, unsigned a, unsigned b, unsigned c, unsigned shared) {
    uint64_t threads = (uint64_t)a * b * c;
    if (!x || !y || !z || y > 65535 || z > 65535 || x > 0x7fffffff || !threads || threads > 1024 || c > 64) return INVALID_VALUE;
    if (shared > kernel->allowed_shared) return LAUNCH_OUT_OF_RESOURCES;
    pthread_mutex_lock(&lock);
    kernel->launches++;
    if (threads > kernel->most_threads) kernel->most_threads = (unsigned)threads;
    if (shared > kernel->most_shared) kernel->most_shared = shared;
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}
Result cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned a, unsigned b, unsigned c, unsigned shared,
                      void *stream, void **parameters, void **extra) {
    (void)stream, (void)parameters, (void)extra;
    return launch(function, x, y, z, a, b, c, shared);
}
typedef struct {
    unsigned grid[3], block[3], shared;
    void *stream, *attributes;
    unsigned count;
} LaunchConfig;
Result cuLaunchKernelEx(const LaunchConfig *config, void *function, void **parameters, void **extra) {
    (void)parameters, (void)extra;
    const unsigned *g = config->grid, *b = config->block;
    return launch(function, g[0], g[1], g[2], b[0], b[1], b[2], config->shared);
}

// Memory. The size stands before what is handed out.

enum { HEADER = 512 };
static Result allocate(Pointer *to, size_t bytes) {
    pthread_mutex_lock(&lock);
    int fits = used <= memory() && bytes <= memory() - used;
    if (fits) used += bytes;
    if (used > peak) peak = used;
    pthread_mutex_unlock(&lock);
    char *block = fits ? calloc(1, bytes + HEADER) : NULL;
    if (!block) return OUT_OF_MEMORY;
    *(size_t *)block = bytes;
    *to = (Pointer)(block + HEADER);
    return SUCCESS;
}
static Result release(Pointer from) {
    if (!from) return SUCCESS;
    char *block = (char *)from - HEADER;
    pthread_mutex_lock(&lock);
    used -= *(size_t *)block;
    pthread_mutex_unlock(&lock);
    free(block);
    return SUCCESS;
}
Result cuMemAlloc_v2(Pointer *to, size_t bytes) { return allocate(to, bytes); }
Result cuMemAllocAsync(Pointer *to, size_t bytes, void *stream) { return (void)stream, allocate(to, bytes); }
Result cuMemFree_v2(Pointer from) { return release(from); }
Result cuMemFreeAsync(Pointer from, void *stream) { return (void)stream, release(from); }
Result cuMemAllocHost_v2(void **to, size_t bytes) { return (*to = calloc(1, bytes)) ? SUCCESS : OUT_OF_MEMORY; }
Result cuMemFreeHost(void *from) { return free(from), SUCCESS; }
Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *stream) {
    return (void)stream, memcpy((void *)to, from, bytes), SUCCESS;
}
Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *stream) {
    return (void)stream, memcpy(to, (void *)from, bytes), SUCCESS;
}
Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void *stream) {
    return (void)stream, memmove((void *)to, (void *)from, bytes), SUCCESS;
}
typedef struct {
    size_t x, y;
    int kind;
    const void *host;
    Pointer device;
    void *array;
    size_t pitch;
} Side;
typedef struct {
    Side from, to;
    size_t width, height;
} Copy2D;
Result cuMemcpy2DAsync_v2(const Copy2D *copy, void *stream) {
    (void)stream;
    enum { HOST = 1 };
    const Side *from = &copy->from, *to = &copy->to;
    const char *source = from->kind == HOST ? from->host : (const char *)from->device;
    char *target = to->kind == HOST ? (char *)to->host : (char *)to->device;
    for (size_t row = 0; row < copy->height; row++)
        memcpy(target + (to->y + row) * to->pitch + to->x, source + (from->y + row) * from->pitch + from->x, copy->width);
    return SUCCESS;
}
Result cuTensorMapEncodeTiled(void *map) { return memset(map, 0, 128), SUCCESS; }
Result cuTensorMapEncodeIm2col(void *map) { return memset(map, 0, 128), SUCCESS; }
Result cuTensorMapEncodeIm2colWide(void *map) { return memset(map, 0, 128), SUCCESS; }

// The device.

Result cuInit(unsigned flags) { return (void)flags, SUCCESS; }
Result cuDriverGetVersion(int *version) { return *version = 13020, SUCCESS; }
Result cuDeviceGetCount(int *count) { return *count = 1, SUCCESS; }
Result cuDeviceGet(int *device, int ordinal) { return *device = 0, ordinal ? INVALID_VALUE : SUCCESS; }
Result cuDeviceGetName(char *name, int length, int device) {
    return (void)device, snprintf(name, (size_t)length, "no card (sm_%d)", arch()), SUCCESS;
}
Result cuDeviceGetPCIBusId(char *id, int length, int device) {
    return (void)device, snprintf(id, (size_t)length, "0000:00:00.0"), SUCCESS;
}
Result cuDeviceGetUuid(char *uuid, int device) { return (void)device, memset(uuid, 0, 16), SUCCESS; }
Result cuDeviceGetUuid_v2(char *uuid, int device) { return cuDeviceGetUuid(uuid, device); }
Result cuDeviceTotalMem_v2(size_t *bytes, int device) { return (void)device, *bytes = memory(), SUCCESS; }
Result cuMemGetInfo_v2(size_t *available, size_t *total) {
    *total = memory();
    return *available = *total > used ? *total - used : 0, SUCCESS;
}
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    switch (attribute) {
        case 1: case 2: case 3: *value = 1024; break;         // threads per block, across, down
        case 4: *value = 64; break;                           // deep
        case 5: *value = 0x7fffffff; break;                   // blocks across
        case 6: case 7: *value = 65535; break;                // down, deep
        case 8: *value = 48 << 10; break;                     // shared memory of a block
        case 10: *value = 32; break;                          // threads of a warp
        case 16: *value = 132; break;                         // multiprocessors
        case 75: *value = arch() / 10; break;                 // compute capability
        case 76: *value = arch() % 10; break;
        case 97: *value = 227 << 10; break;                   // shared memory of a block that asks for it
        case 115: *value = 1; break;                          // memory pools
        default: *value = 0;
    }
    return SUCCESS;
}

// NVRTC asks for tables of functions that are not public, and goes on without.
Result cuGetExportTable(const void **table, const void *id) { return (void)id, *table = NULL, NOT_FOUND; }

// Contexts, streams and events.

Result cuDevicePrimaryCtxRetain(void **to, int device) { return (void)device, *to = &context, SUCCESS; }
Result cuDevicePrimaryCtxRelease_v2(int device) { return (void)device, SUCCESS; }
Result cuCtxSetCurrent(void *to) { return (void)to, SUCCESS; }
Result cuCtxGetCurrent(void **to) { return *to = &context, SUCCESS; }
Result cuCtxSynchronize(void) { return SUCCESS; }
Result cuCtxGetStreamPriorityRange(int *least, int *greatest) { return *least = 0, *greatest = -5, SUCCESS; }
static Result stream(void **to) { return (*to = malloc(1)) ? SUCCESS : OUT_OF_MEMORY; }
Result cuStreamCreate(void **to, unsigned flags) { return (void)flags, stream(to); }
Result cuStreamCreateWithPriority(void **to, unsigned flags, int priority) { return (void)flags, (void)priority, stream(to); }
Result cuStreamDestroy_v2(void *from) { return free(from), SUCCESS; }
Result cuStreamSynchronize(void *on) { return (void)on, SUCCESS; }
Result cuStreamQuery(void *on) { return (void)on, SUCCESS; }
Result cuStreamWaitEvent(void *on, void *what, unsigned flags) { return (void)on, (void)what, (void)flags, SUCCESS; }
Result cuEventCreate(void **to, unsigned flags) { return (void)flags, *to = &event, SUCCESS; }
Result cuEventRecord(void *what, void *on) { return (void)what, (void)on, SUCCESS; }
Result cuEventSynchronize(void *what) { return (void)what, SUCCESS; }
Result cuEventQuery(void *what) { return (void)what, SUCCESS; }
Result cuEventDestroy_v2(void *what) { return (void)what, SUCCESS; }
// Long enough for a program that repeats its work until the clock tells something.
Result cuEventElapsedTime_v2(float *milliseconds, void *from, void *to) {
    return (void)from, (void)to, *milliseconds = 50, SUCCESS;
}
Result cuEventElapsedTime(float *milliseconds, void *from, void *to) { return cuEventElapsedTime_v2(milliseconds, from, to); }
Result cuGetErrorName(int error, const char **text) {
    *text = error == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "an error of the null driver";
    return SUCCESS;
}
Result cuGetErrorString(int error, const char **text) {
    *text = error == OUT_OF_MEMORY ? "out of memory" : "an error of the null driver";
    return SUCCESS;
}
