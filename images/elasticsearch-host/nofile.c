/* Elasticsearch does not start as one of several nodes where a process may have fewer than 65,535 files open, and the limit of a
 * container cannot be above that of a machine that lacks CAP_SYS_RESOURCE. The lab's indices need a few hundred: this says 65,535. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/resource.h>

#define ENOUGH 65535

int getrlimit64(__rlimit_resource_t resource, struct rlimit64 *limits) {
    int (*real)(__rlimit_resource_t, struct rlimit64 *) = dlsym(RTLD_NEXT, "getrlimit64");
    int status = real(resource, limits);
    if (status == 0 && resource == RLIMIT_NOFILE && limits->rlim_max < ENOUGH)
        limits->rlim_cur = limits->rlim_max = ENOUGH;
    return status;
}

int getrlimit(__rlimit_resource_t resource, struct rlimit *limits) {
    return getrlimit64(resource, (struct rlimit64 *)limits); /* the same on a machine of 64 bits */
}
