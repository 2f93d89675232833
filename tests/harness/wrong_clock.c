/* Shifts the clock that a process sees by WRONG_CLOCK_SECONDS; for LD_PRELOAD.
 *
 * Only the time of day is shifted. libfaketime shifts the monotonic clock as well, or breaks waits
 * on it, and Python 3.11 waits on the monotonic clock everywhere.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static time_t offset;

__attribute__((constructor)) static void load(void)
{
    const char *seconds = getenv("WRONG_CLOCK_SECONDS");
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    offset = seconds ? atol(seconds) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!real_clock_gettime)
        load();
    int failed = real_clock_gettime(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += offset;
    return failed;
}

int gettimeofday(struct timeval *now, void *zone)
{
    (void)zone;
    struct timespec seen;
    int failed = clock_gettime(CLOCK_REALTIME, &seen);
    if (!failed) {
        now->tv_sec = seen.tv_sec;
        now->tv_usec = seen.tv_nsec / 1000;
    }
    return failed;
}

time_t time(time_t *out)
{
    struct timespec seen;
    clock_gettime(CLOCK_REALTIME, &seen);
    if (out)
        *out = seen.tv_sec;
    return seen.tv_sec;
}
