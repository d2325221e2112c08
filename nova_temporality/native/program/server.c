/* SPDX-License-Identifier: Apache-2.0 */
/* server.c -- the engine's process: serves clients */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "care.h"
#include "clock.h"
#include "error.h"
#include "handover.h"
#include "log.h"
#include "successor.h"
#include "systemd.h"

/* How often it is seen to that all threads work, and whether those that are
 * fixating have ended. */
#define LOOK_NS ((uint64_t)3000000000)
#define END_LOOK_MS 10

/* How long the process stays to pass on signals to the one that has taken
 * over.  Who sends them may have asked for its number before. */
#define STAY_SECONDS 1

int vpm_server_block(struct vpm_process *process, struct vpm_error *err)
{
    sigset_t set;

    memset(process, 0, sizeof(*process));
    process->lock_fd = process->listen_fd = -1;
    for (int i = 0; i < CLIENTS_MAX; i++)
        process->clients[i].fd = -1;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    process->asked_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    process->told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    process->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (process->asked_fd < 0 || process->told_fd < 0 ||
        process->spare_fd < 0)
        return vpm_fail_errno(err, "cannot prepare for signals");
    return VPM_OK;
}

int vpm_server_lock(struct vpm_process *process, const char *run_dir,
                    struct vpm_error *err)
{
    char path[VPM_PATH_MAX + 1];

    snprintf(path, sizeof(path), "%s/engine.lock", run_dir);
    /* QEMUs pass through it, each to its own directory. */
    if (mkdir(run_dir, 0755) == 0)
        chmod(run_dir, 0755);
    else if (errno != EEXIST)
        return vpm_fail_errno(err, "run_dir: cannot make %s", run_dir);
    process->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                           0600);
    if (process->lock_fd < 0)
        return vpm_fail_errno(err, "run_dir: cannot open %s", path);
    if (flock(process->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return vpm_fail(err, VPM_EEXIST, "another engine runs already (%s is "
                        "locked)", path);
    return VPM_OK;
}

int vpm_server_listen(struct vpm_process *process, const char *run_dir,
                      struct vpm_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof(address.sun_path),
                          "%s/" VPM_SOCKET_NAME, run_dir);

    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return vpm_fail(err, VPM_EINVAL, "run_dir: the path %s is too long "
                        "for a socket in it", run_dir);
    unlink(address.sun_path);  /* of an engine that was killed */
    process->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
                               SOCK_NONBLOCK, 0);
    /* Nobody can connect before listen(). */
    if (process->listen_fd < 0 ||
        bind(process->listen_fd, (struct sockaddr *)&address,
             sizeof(address)) < 0 ||
        chmod(address.sun_path, 0600) < 0 ||
        listen(process->listen_fd, CLIENTS_MAX) < 0)
        return vpm_fail_errno(err, "run_dir: cannot listen on %s",
                              address.sun_path);
    return VPM_OK;
}

/* -- serving ------------------------------------------------------------- */

/* Otherwise the client would be there again and again. */
static void refuse_one(struct vpm_process *process)
{
    close(process->spare_fd);
    close(accept4(process->listen_fd, NULL, NULL, SOCK_CLOEXEC));
    process->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    vpm_log("a client is refused: there are no file descriptors left; raise "
            "LimitNOFILE");
}

static void accept_one(struct vpm_process *process)
{
    int fd = accept4(process->listen_fd, NULL, NULL,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0 && errno == EMFILE)
        refuse_one(process);
    if (fd < 0)
        return;
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (process->clients[i].fd < 0) {
            vpm_client_open(&process->clients[i], fd);
            return;
        }
    vpm_log("a client is refused: there are %d already", CLIENTS_MAX);
    close(fd);
}

/* What there is to be told of a unit, or 0. */
static uint32_t news_of(const struct vpm_served *served,
                        const struct vpm_unit_info *unit)
{
    if (unit->state == VPM_UNIT_SETTLED)
        return VPM_NEWS_SETTLED;
    return unit->state == VPM_UNIT_LOST || served->ill ? VPM_NEWS_LOOK : 0;
}

/* Tells clients what they were not told yet.  Who is full hears it later, and
 * the others hear it twice. */
static void tell(struct vpm_process *process)
{
    for (struct vpm_served *served = process->service.roster.first; served;
         served = served->next) {
        struct vpm_unit_info unit = vpm_roster_look(served);
        uint32_t news = news_of(served, &unit);

        if (served->told || !news)
            continue;
        served->told = true;
        for (int i = 0; i < CLIENTS_MAX; i++)
            if (process->clients[i].fd >= 0)
                served->told &= vpm_client_tell_unit(&process->clients[i],
                                                     news, &unit);
    }
}

/* -- watching itself ----------------------------------------------------- */

struct watch {
    uint64_t next_ns;      /* when systemd is told */
    uint64_t look_ns;      /* when the threads are looked at */
    bool works;
};

static void watch(struct vpm_process *process, struct watch *watch)
{
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);

    if (!process->watchdog_ns || now < watch->next_ns)
        return;
    watch->next_ns = now + process->watchdog_ns;
    if (now >= watch->look_ns) {
        bool signals = vpm_signals_work(&process->service.signals);

        bool devices = vpm_devices_work(&process->service.devices);

        watch->works = vpm_engine_works(process->service.engine) && signals &&
            devices;
        watch->look_ns = now + LOOK_NS;
    }
    if (watch->works)
        vpm_systemd_notify("WATCHDOG=1");
}

static int wait_ms(struct vpm_process *process,
                   const struct vpm_care *care)
{
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC), wait = UINT64_MAX;
    uint64_t until = vpm_devices_unsettled_ns(&process->service.devices);

    if (process->ending)
        return END_LOOK_MS;
    if (process->watchdog_ns)
        wait = process->watchdog_ns;
    if (process->service.roster.first && care->due_ns <= now)
        return 0;
    if (process->service.roster.first && care->due_ns - now < wait)
        wait = care->due_ns - now;
    if (until > now && until - now < wait)
        wait = until - now;
    return wait == UINT64_MAX ? -1 : (int)(wait / 1000000) + 1;
}

/* -- acknowledging ------------------------------------------------------- */

static bool is_listened_to(const struct vpm_process *process)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (process->clients[i].fd >= 0 && process->clients[i].listens)
            return true;
    return false;
}

/* A client may know more: it fixates also what was not armed, and asks for
 * this when that has ended.  If there is none, or it says nothing in time, what
 * was fired is all. */
static void settle(struct vpm_process *process)
{
    struct vpm_service *service = &process->service;
    uint64_t until = vpm_devices_unsettled_ns(&service->devices);
    struct vpm_error err;

    if (!until || vpm_roster_is_busy(&service->roster) ||
        (is_listened_to(process) && vpm_now_ns(CLOCK_MONOTONIC) < until))
        return;
    if (vpm_devices_acknowledge(&service->devices, &err) < 0)
        vpm_log("%s", err.message);
}

/* -- ending, and being replaced ------------------------------------------ */

static void take_signal(struct vpm_process *process)
{
    struct signalfd_siginfo info;

    if (read(process->asked_fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo != SIGHUP)
        process->ending = true;
    else if (process->successor)
        vpm_successor_start(process->successor);
    else
        vpm_log("it was not told how to start another one");
}

static void tell_systemd(const struct vpm_client *successor)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    char text[64];

    if (getsockopt(successor->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return;
    snprintf(text, sizeof(text), "MAINPID=%d", (int)peer.pid);
    vpm_systemd_notify(text);
}

/* What was handed over ends when the other process does. */
static void leave(struct vpm_process *process,
                  const struct vpm_client *successor)
{
    tell_systemd(successor);
    close(process->listen_fd);
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (process->clients[i].fd >= 0 && &process->clients[i] != successor)
            vpm_client_close(&process->clients[i]);
    sleep(STAY_SECONDS);
}

/* Whether another process has taken over. */
static bool hand_over(struct vpm_process *process)
{
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct vpm_client *client = &process->clients[i];

        if (client->fd < 0 || !client->hand_over_id ||
            !vpm_handover_give(process, client))
            continue;
        leave(process, client);
        return true;
    }
    return false;
}

/* -- the loop ------------------------------------------------------------ */

enum { LISTENS, TOLD, ASKED, FIRST_CLIENT };

static void tell_of_power(struct vpm_client *client,
                          struct vpm_service *service)
{
    vpm_client_tell_signals(client, &service->signals);
    vpm_client_tell_words(client, &service->devices);
}

static void fill(struct vpm_process *process, struct pollfd *fds)
{
    fds[LISTENS] = (struct pollfd){.fd = process->listen_fd, .events = POLLIN};
    fds[TOLD] = (struct pollfd){.fd = process->told_fd, .events = POLLIN};
    fds[ASKED] = (struct pollfd){.fd = process->asked_fd, .events = POLLIN};
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct vpm_client *client = &process->clients[i];

        if (client->fd >= 0)
            tell_of_power(client, &process->service);
        fds[FIRST_CLIENT + i] = (struct pollfd){
            .fd = client->fd,
            .events = client->is_full ? POLLOUT : POLLIN};
    }
}

static void serve(struct vpm_process *process, const struct pollfd *fds)
{
    eventfd_t ignored;
    bool news = eventfd_read(process->told_fd, &ignored) == 0;

    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct vpm_client *client = &process->clients[i];

        if (!fds[FIRST_CLIENT + i].revents)
            continue;
        news |= client->is_full;
        vpm_client_serve(client, &process->service);
    }
    if (news)
        tell(process);
    if (fds[LISTENS].revents)
        accept_one(process);
}

void vpm_server_run(struct vpm_process *process)
{
    struct pollfd fds[FIRST_CLIENT + CLIENTS_MAX];
    struct watch watched = {.works = true};
    struct vpm_care care = {.left = 0};

    /* What another process did not come to tell. */
    tell(process);
    while (!process->ending ||
           vpm_roster_is_busy(&process->service.roster)) {
        fill(process, fds);
        if (poll(fds, FIRST_CLIENT + CLIENTS_MAX,
                 wait_ms(process, &care)) > 0) {
            if (fds[ASKED].revents)
                take_signal(process);
            serve(process, fds);
        }
        if (hand_over(process))
            return;
        settle(process);
        watch(process, &watched);
        if (vpm_care_work(&care, &process->service.roster,
                          vpm_now_ns(CLOCK_MONOTONIC)))
            tell(process);
    }
    vpm_systemd_notify("STOPPING=1");
}
