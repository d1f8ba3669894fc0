/* Puts the wall clock of one process off, and of it alone: LD_PRELOAD=skew.so TIDEGATE_SKEW=file.
 *
 * The file holds one int64, nanoseconds to add, in the machine's byte order; whoever writes it steps the
 * clock of the running process. Monotonic clocks are not touched, so timers fire when they should.
 *
 * Why not libfaketime: it needs dlsym, which allocates, and the allocators of Envoy and of redis-server ask
 * for the time while they start (it hangs in the first and gives up in the second). This one makes the system
 * call itself and calls nothing that allocates.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL

static int64_t skew_ns(void) {
    /* Two threads that come first both map it: the same page twice, which does no harm. */
    static const volatile int64_t *skew;
    if (!skew) {
        const char *path = getenv("TIDEGATE_SKEW");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0) return 0;
        void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        if (page == MAP_FAILED) return 0;
        skew = page;
    }
    return *skew;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = (int64_t)now->tv_sec * SECOND_NS + now->tv_nsec + skew_ns();
        now->tv_sec = ns / SECOND_NS;
        now->tv_nsec = ns % SECOND_NS;
    }
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return (time_t)-1;
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
