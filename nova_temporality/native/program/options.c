/* SPDX-License-Identifier: Apache-2.0 */
/* options.c -- the command line of the engine's process */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* The number at *text*, which *ends* with one of these characters. */
static int number(const char *name, const char *text, const char *ends,
                  uint32_t *value, const char **rest, struct vpm_error *err)
{
    char *end;
    unsigned long found;

    errno = 0;
    found = strtoul(text, &end, 10);
    if (errno || end == text || *text == '-' || found > UINT32_MAX ||
        !strchr(ends, *end))
        return vpm_fail(err, VPM_EINVAL, "--%s: '%s' is no number", name,
                        text);
    *value = (uint32_t)found;
    *rest = end;
    return VPM_OK;
}

static int read_cpus(const char *text, struct vpm_options *options,
                     struct vpm_error *err)
{
    uint32_t *count = &options->params.cpu_count;
    int rc = VPM_OK;

    while (rc == VPM_OK && *text) {
        if (*count == OPTIONS_CPUS_MAX)
            return vpm_fail(err, VPM_EINVAL, "--cpus: these are more than %d",
                            OPTIONS_CPUS_MAX);
        rc = number("cpus", text, ",", &options->cpus[(*count)++], &text,
                    err);
        text += *text == ',';
    }
    return rc;
}

static int read_one(int which, const char *name, const char *value,
                    struct vpm_options *options, struct vpm_error *err)
{
    struct vpm_engine_params *params = &options->params;
    uint32_t milliseconds = 0;
    int rc = VPM_OK;

    switch (which) {
    case 'P':
        options->pool = value;
        return VPM_OK;
    case 'R':
        options->run_dir = value;
        return VPM_OK;
    case 't':
        return number(name, value, "", &params->threads, &value, err);
    case 'p':
        return number(name, value, "", &params->priority, &value, err);
    case 'c':
        return read_cpus(value, options, err);
    case 'h':
        rc = number(name, value, "", &milliseconds, &value, err);
        params->hold_up_ns = (uint64_t)milliseconds * 1000000;
        return rc;
    case 'l':
        params->lock_memory = true;
        return VPM_OK;
    default:
        return vpm_fail(err, VPM_EINVAL, "wrong option; it is started by the "
                        "command temporality-engine, which reads "
                        "temporality.conf");
    }
}

int vpm_options_read(int argc, char **argv, struct vpm_options *options,
                     struct vpm_error *err)
{
    static const struct option known[] = {
        {"pool", required_argument, NULL, 'P'},
        {"run-dir", required_argument, NULL, 'R'},
        {"threads", required_argument, NULL, 't'},
        {"priority", required_argument, NULL, 'p'},
        {"cpus", required_argument, NULL, 'c'},
        {"hold-up-ms", required_argument, NULL, 'h'},
        {"lock-memory", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    int which, index = 0;

    memset(options, 0, sizeof(*options));
    options->params.threads = 1;
    options->params.cpus = options->cpus;
    opterr = 0;
    while ((which = getopt_long(argc, argv, "+", known, &index)) != -1)
        if (read_one(which, known[index].name, optarg, options, err) < 0)
            return err->code;
    if (optind < argc && strcmp(argv[optind - 1], "--") == 0) {
        options->successor = &argv[optind];
        optind = argc;
    }
    if (!options->pool || !options->run_dir || optind < argc)
        return vpm_fail(err, VPM_EINVAL, "--pool and --run-dir are needed, "
                        "and nothing but options");
    return VPM_OK;
}
