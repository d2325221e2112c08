/* SPDX-License-Identifier: Apache-2.0 */
/* server.c -- the engine's process: serves clients until SIGTERM */
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

#include "clock.h"
#include "error.h"
#include "log.h"
#include "systemd.h"

/* How often it is seen to that all threads work, and whether those that are
 * fixating have ended. */
#define LOOK_NS ((uint64_t)3000000000)
#define END_LOOK_MS 10

int vpm_server_block(struct vpm_server *server, struct vpm_error *err)
{
    sigset_t set;

    memset(server, 0, sizeof(*server));
    for (int i = 0; i < CLIENTS_MAX; i++)
        server->clients[i].fd = -1;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    server->end_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    server->told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->end_fd < 0 || server->told_fd < 0)
        return vpm_fail_errno(err, "cannot prepare for signals");
    return VPM_OK;
}

int vpm_server_lock(struct vpm_server *server, const char *run_dir,
                    struct vpm_error *err)
{
    char path[VPM_PATH_MAX + 1];

    snprintf(path, sizeof(path), "%s/engine.lock", run_dir);
    /* QEMUs pass through it, each to its own directory. */
    if (mkdir(run_dir, 0755) == 0)
        chmod(run_dir, 0755);
    else if (errno != EEXIST)
        return vpm_fail_errno(err, "run_dir: cannot make %s", run_dir);
    server->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                           0600);
    if (server->lock_fd < 0)
        return vpm_fail_errno(err, "run_dir: cannot open %s", path);
    if (flock(server->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return vpm_fail(err, VPM_EEXIST, "another engine runs already (%s is "
                        "locked)", path);
    return VPM_OK;
}

int vpm_server_listen(struct vpm_server *server, const char *run_dir,
                      struct vpm_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof(address.sun_path),
                          "%s/" VPM_SOCKET_NAME, run_dir);

    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return vpm_fail(err, VPM_EINVAL, "run_dir: the path %s is too long "
                        "for a socket in it", run_dir);
    unlink(address.sun_path);  /* of an engine that was killed */
    server->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
                               SOCK_NONBLOCK, 0);
    /* Nobody can connect before listen(). */
    if (server->listen_fd < 0 ||
        bind(server->listen_fd, (struct sockaddr *)&address,
             sizeof(address)) < 0 ||
        chmod(address.sun_path, 0600) < 0 ||
        listen(server->listen_fd, CLIENTS_MAX) < 0)
        return vpm_fail_errno(err, "run_dir: cannot listen on %s",
                              address.sun_path);
    return VPM_OK;
}

/* -- serving ------------------------------------------------------------- */

static void accept_one(struct vpm_server *server)
{
    int fd = accept4(server->listen_fd, NULL, NULL,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (server->clients[i].fd < 0) {
            vpm_client_open(&server->clients[i], fd);
            return;
        }
    vpm_log("a client is refused: there are %d already", CLIENTS_MAX);
    close(fd);
}

static void tell_settled(struct vpm_server *server)
{
    for (struct vpm_served *served = server->service.roster.first; served;
         served = served->next) {
        struct vpm_unit_info unit = vpm_roster_look(served);

        if (served->told || unit.state != VPM_UNIT_SETTLED)
            continue;
        served->told = true;
        for (int i = 0; i < CLIENTS_MAX; i++)
            if (server->clients[i].fd >= 0)
                vpm_client_tell_settled(&server->clients[i], &unit);
    }
}

static void tell(struct vpm_server *server)
{
    eventfd_t ignored;

    if (eventfd_read(server->told_fd, &ignored) == 0)
        tell_settled(server);
}

/* -- watching itself ----------------------------------------------------- */

struct watch {
    uint64_t next_ns;      /* when systemd is told */
    uint64_t look_ns;      /* when the threads are looked at */
    bool works;
};

static void watch(struct vpm_server *server, struct watch *watch)
{
    uint64_t now = vpm_now_ns(CLOCK_MONOTONIC);

    if (!server->watchdog_ns || now < watch->next_ns)
        return;
    watch->next_ns = now + server->watchdog_ns;
    if (now >= watch->look_ns) {
        bool signals = vpm_signals_work(&server->service.signals);

        watch->works = vpm_engine_works(server->service.engine) && signals;
        watch->look_ns = now + LOOK_NS;
    }
    if (watch->works)
        vpm_systemd_notify("WATCHDOG=1");
}

static int wait_ms(const struct vpm_server *server, bool ending)
{
    if (ending)
        return END_LOOK_MS;
    return server->watchdog_ns ?
        (int)(server->watchdog_ns / 1000000) + 1 : -1;
}

/* -- the loop ------------------------------------------------------------ */

enum { LISTENS, TOLD, ENDS, FIRST_CLIENT };

static void fill(struct vpm_server *server, struct pollfd *fds)
{
    fds[LISTENS] = (struct pollfd){.fd = server->listen_fd, .events = POLLIN};
    fds[TOLD] = (struct pollfd){.fd = server->told_fd, .events = POLLIN};
    fds[ENDS] = (struct pollfd){.fd = server->end_fd, .events = POLLIN};
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct vpm_client *client = &server->clients[i];
        bool heard = client->fd < 0 ||
            vpm_client_tell_signals(client, &server->service.signals);

        fds[FIRST_CLIENT + i] = (struct pollfd){
            .fd = client->fd,
            .events = (short)(heard ? POLLIN : POLLIN | POLLOUT)};
    }
}

static void serve(struct vpm_server *server, const struct pollfd *fds)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (fds[FIRST_CLIENT + i].revents & ~POLLOUT)
            vpm_client_serve(&server->clients[i], &server->service);
    if (fds[TOLD].revents)
        tell(server);
    if (fds[LISTENS].revents)
        accept_one(server);
}

void vpm_server_run(struct vpm_server *server)
{
    struct pollfd fds[FIRST_CLIENT + CLIENTS_MAX];
    struct watch watched = {.works = true};
    bool ending = false;

    while (!ending || vpm_roster_is_busy(&server->service.roster)) {
        fill(server, fds);
        if (poll(fds, FIRST_CLIENT + CLIENTS_MAX,
                 wait_ms(server, ending)) > 0) {
            ending |= fds[ENDS].revents != 0;
            serve(server, fds);
        }
        watch(server, &watched);
    }
}
