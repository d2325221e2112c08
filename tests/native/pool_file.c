/* SPDX-License-Identifier: Apache-2.0 */
/* pool_file.c -- changing the pool file, and being refused then */
#include "pool_file.h"

#include "crc32c.h"
#include "layout.h"

void refused(int code, const char *reason)
{
    CHECK(vpm_pool_open(POOL, &err) == NULL);
    CHECK(err.code == code);
    SAYS(reason);
    CHECK(check_pool(100) >= 1);
}

void write_conf_to(const char *path, struct vpm_conf *conf)
{
    conf->crc = vpm_crc32c(0, conf, offsetof(struct vpm_conf, crc));
    poke(path, 0, conf, sizeof(*conf));
}

void write_conf(struct vpm_conf *conf)
{
    write_conf_to(POOL_FILE, conf);
}
