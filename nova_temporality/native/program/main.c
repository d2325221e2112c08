/* SPDX-License-Identifier: Apache-2.0 */
/* main.c -- temporality-engine, the process that fixates all pVMs of a pool */
#include "main.h"

#include <pthread.h>

#include "handover.h"
#include "log.h"
#include "options.h"
#include "realtime.h"
#include "server.h"
#include "systemd.h"

static int open_engine(struct vpm_service *service,
                       const struct vpm_options *options,
                       struct vpm_error *err)
{
    service->pool = vpm_pool_open(options->pool, err);
    if (!service->pool)
        return err->code;
    service->engine = vpm_engine_open(service->pool, &options->params,
                                      &service->lost, err);
    if (!service->engine)
        return err->code;
    service->roster.pool = service->pool;
    service->roster.engine = service->engine;
    service->threads = options->params.threads;
    service->pod_fd = -1;
    if (service->lost.message[0])
        vpm_log("the engine may be late: %s", service->lost.message);
    return VPM_OK;
}

static int start(struct vpm_process *process, const struct vpm_options *options,
                 struct vpm_error *err)
{
    struct vpm_service *service = &process->service;
    uint32_t priority = options->params.priority;
    int rc = open_engine(service, options, err);

    if (rc < 0)
        return rc;
    /* What clients ask for may be the word that power fails; but it must not
     * delay a fixation. */
    process->priority = priority > 1 ? priority - 1 : 0;
    vpm_signals_init(&service->signals, service->engine, process->told_fd);
    rc = vpm_devices_init(&service->devices, service->engine, process->told_fd,
                          err);
    if (rc < 0)
        return rc;
    rc = vpm_handover_take(process, options->run_dir, err);
    if (rc == VPM_ENOENT)
        rc = vpm_server_lock(process, options->run_dir, err);
    if (rc == VPM_OK && process->listen_fd < 0)
        rc = vpm_server_listen(process, options->run_dir, err);
    if (rc == VPM_OK)
        rc = vpm_signals_start(&service->signals, priority, err);
    if (rc == VPM_OK)
        rc = vpm_devices_start(&service->devices, priority, err);
    if (rc < 0)
        return rc;
    vpm_engine_tell(service->engine, process->told_fd);
    vpm_realtime_set_priority(pthread_self(), process->priority);
    process->successor = options->successor;
    process->watchdog_ns = vpm_systemd_watchdog_ns();
    return VPM_OK;
}

int main(int argc, char **argv)
{
    static struct vpm_options options;
    static struct vpm_process process;
    struct vpm_error err;

    vpm_signals_block();
    if (vpm_server_block(&process, &err) < 0 ||
        vpm_options_read(argc, argv, &options, &err) < 0 ||
        start(&process, &options, &err) < 0) {
        vpm_log("cannot start: %s", err.message);
        return 1;
    }
    vpm_systemd_notify("READY=1");
    vpm_server_run(&process);
    return 0;
}
