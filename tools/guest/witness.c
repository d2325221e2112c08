/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may
 * not use this file except in compliance with the License. You may obtain
 * a copy of the License at
 *
 *      http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
 * WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
 * License for the specific language governing permissions and limitations
 * under the License.
 */

/* witness.c -- proves from outside what the guest has written, and since when
 *
 * Appends a counter to a file, five times a second, with fsync, and reports
 * through the Redis of the guest, once fsync has returned, how far it got
 * (fsync:last).  Reports the boot id and the uptime once a second
 * (guest:boot_id, guest:uptime), so that whoever reads them from outside
 * knows whether this is still the system that was there before.
 *
 * While there is a volume, the counter is also written to its beginning once a
 * second, and reported when it is there (volume:last).
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOG "/data/fsync.log"
#define VOLUME "/dev/vdb"
#define REDIS_PORT 6379

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int redis_connect(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(REDIS_PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("redis");
	return s;
}

/* Send "SET key value" and wait for the answer. */
static void redis_set(int s, const char *key, const char *format, ...)
{
	char value[128], request[256], answer[128];
	va_list ap;
	int n;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	n = snprintf(request, sizeof(request),
		     "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
		     strlen(key), key, strlen(value), value);
	if (write(s, request, n) != n)
		die("write to redis");
	if (read(s, answer, sizeof(answer)) < 3 || answer[0] != '+')
		die("answer of redis");
}

static void read_boot_id(char *id, size_t size)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");

	if (!f || !fgets(id, size, f))
		die("boot_id");
	fclose(f);
	id[strcspn(id, "\n")] = 0;
}

/* The last number in the log, 0 if there is none. */
static unsigned long last_number(void)
{
	unsigned long last = 0;
	char line[32];
	FILE *f = fopen(LOG, "r");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		last = strtoul(line, NULL, 10);
	fclose(f);
	return last;
}

/* Returns 0 if there is no volume, or not any more. */
static int write_to_volume(unsigned long n)
{
	char block[512] = "";
	int volume = open(VOLUME, O_WRONLY | O_DSYNC), written;

	if (volume < 0)
		return 0;
	snprintf(block, sizeof(block), "%lu\n", n);
	written = pwrite(volume, block, sizeof(block), 0) == sizeof(block);
	close(volume);
	return written;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };
	unsigned long n = last_number();
	int s = redis_connect(), log, tick = 0;
	struct timespec up;
	char boot_id[64];

	log = open(LOG, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (log < 0)
		die(LOG);
	read_boot_id(boot_id, sizeof(boot_id));
	for (;; tick++) {
		n++;
		if (dprintf(log, "%lu\n", n) < 0 || fsync(log) < 0)
			die("fsync " LOG);
		redis_set(s, "fsync:last", "%lu", n);
		if (tick % 5 == 0) {
			clock_gettime(CLOCK_MONOTONIC, &up);
			redis_set(s, "guest:boot_id", "%s", boot_id);
			redis_set(s, "guest:uptime", "%ld.%02ld",
				  (long)up.tv_sec, up.tv_nsec / 10000000);
			if (write_to_volume(n))
				redis_set(s, "volume:last", "%lu", n);
		}
		nanosleep(&pause, NULL);
	}
}
