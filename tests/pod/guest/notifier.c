/* SPDX-License-Identifier: Apache-2.0 */
/* notifier.c -- registration, signal 44 and acknowledgements */
#include "guest.h"

/* A notifier that never acknowledges. */
static void register_and_sleep(int fd)
{
    enroll(fd, 0);
    pause();
}

static void open_register_and_sleep(int unused)
{
    (void)unused;
    register_and_sleep(open_pod());
}

static int acknowledge(int fd, uint64_t sequence)
{
    return ioctl(fd, POD_ACKNOWLEDGE, &sequence);
}

static int try_to_register(int fd, uint32_t abi, uint32_t number)
{
    struct pod_registration registration = {.abi = abi, .signal = number};

    return ioctl(fd, POD_REGISTER, &registration);
}

static sigset_t block_signal(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, POD_SIGNAL);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    return set;
}

static void signal_44(void)
{
    static const struct timespec none;
    sigset_t set = block_signal();
    siginfo_t info;
    int fd;

    load("test_trigger=1");
    fd = open_good();
    enroll(fd, POD_SIGNAL);
    EQUAL(get_number("notifier"), getpid());
    trigger("warn");
    trigger("good");
    FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
    trigger("commit");
    EQUAL(sigwaitinfo(&set, &info), POD_SIGNAL);
    EQUAL(info.si_code, SI_KERNEL);
    EQUAL(info.si_pid, 0);
    /* It is not asked for any more. */
    enroll(fd, 0);
    trigger("good");
    trigger("commit");
    FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
}

static void one_notifier_only(void)
{
    int first, second;

    load("test_trigger=1");
    first = open_pod();
    second = open_pod();
    enroll(first, 0);
    FAILS(try_to_register(second, POD_ABI, 0), EBUSY);
    enroll(first, POD_SIGNAL);
    close(first);
    EQUAL(get_number("notifier"), 0);
    enroll(second, 0);
}

static void notifier_dies(void)
{
    pid_t notifier;
    int fd;

    load("test_trigger=1");
    notifier = start(open_register_and_sleep, 0);
    EVENTUALLY(get_number("notifier") == notifier);
    fd = open_good();
    FAILS(try_to_register(fd, POD_ABI, 0), EBUSY);
    end_by_kill(notifier);
    EVENTUALLY(get_number("notifier") == 0);
    EQUAL(statistic("notifiers_gone"), 1);
    CHECK(kernel_said("the notifier has gone"));
    CHECK(!kernel_said("before it acknowledged"));
    /* The next one takes over. */
    enroll(fd, 0);
    EQUAL(acknowledge(fd, power_fails(fd)), 0);
}

static void notifier_dies_in_an_outage(void)
{
    pid_t notifier;
    uint64_t sequence;
    int fd;

    load("test_trigger=1 hold_up_ms=60000");
    fd = open_good();
    notifier = start(open_register_and_sleep, 0);
    EVENTUALLY(get_number("notifier") == notifier);
    sequence = power_fails(fd);
    end_by_kill(notifier);
    EVENTUALLY(kernel_said("gone before it acknowledged an event"));
    enroll(fd, 0);
    EQUAL(acknowledge(fd, sequence), 0);
    EQUAL(statistic("acknowledged"), 1);
}

static void signal_to_the_dead(void)
{
    pid_t notifier;
    int fd, other;

    load("test_trigger=1");
    /* The file stays open, here. */
    fd = open_good();
    other = open_good();
    notifier = start(register_and_sleep, fd);
    EVENTUALLY(get_number("notifier") == notifier);
    end_by_kill(notifier);
    FAILS(acknowledge(other, 1), EPERM);
    enroll(other, POD_SIGNAL);
    EQUAL(get_number("notifier"), getpid());
}

static void register_for_the_signal(int fd)
{
    enroll(fd, POD_SIGNAL);
}

static void failed_signal_is_counted(void)
{
    int fd;

    load("test_trigger=1");
    fd = open_good();
    finish(start(register_for_the_signal, fd));
    trigger("commit");
    EQUAL(statistic("signals_failed"), 1);
    CHECK(kernel_said("no signal could be sent"));
}

static void bad_registrations(void)
{
    int fd;

    load("test_trigger=1");
    fd = open_pod();
    FAILS(try_to_register(fd, POD_ABI + 1, POD_SIGNAL), EINVAL);
    FAILS(try_to_register(fd, POD_ABI, SIGKILL), EINVAL);
    FAILS(ioctl(fd, POD_REGISTER, NULL), EFAULT);
    EQUAL(get_number("notifier"), 0);
}

static void as_nobody(int fd)
{
    struct pod_write_back result;
    struct pod_info info;

    CHECK(setgid(65534) == 0);
    CHECK(setuid(65534) == 0);
    FAILS(open("/dev/pod", O_RDONLY), EACCES);
    FAILS(open("/sys/class/misc/pod/trigger", O_WRONLY), EACCES);
    EQUAL(ioctl(fd, POD_INFO, &info), 0);
    FAILS(try_to_register(fd, POD_ABI, 0), EPERM);
    FAILS(ioctl(fd, POD_WRITE_BACK, &result), EPERM);
    FAILS(acknowledge(fd, 1), EPERM);
}

static void without_privileges(void)
{
    int fd;

    load("test_trigger=1");
    fd = open_pod();
    finish(start(as_nobody, fd));
    EQUAL(statistic("write_backs"), 0);
}

static void acknowledged_in_time(void)
{
    uint64_t sequence;
    int fd;

    load("test_trigger=1 hold_up_ms=60000");
    fd = open_good();
    enroll(fd, POD_SIGNAL);
    block_signal();
    sequence = power_fails(fd);
    EQUAL(statistic("write_backs"), 0);
    EQUAL(acknowledge(fd, sequence), 0);
    EQUAL(statistic("write_backs"), 1);
    EQUAL(statistic("write_back_cpus"), sysconf(_SC_NPROCESSORS_ONLN));
    EQUAL(statistic("acknowledged"), 1);
    CHECK(statistic("acknowledge_ns") > 0);
    EQUAL(statistic("late"), 0);
    EQUAL(statistic("missed"), 0);
    EQUAL(statistic("parks"), 0);
}

static void one_acknowledges_all_before(void)
{
    uint64_t sequence;
    int fd;

    load("test_trigger=1 hold_up_ms=60000");
    fd = open_good();
    enroll(fd, 0);
    power_fails(fd);
    trigger("good");
    next(fd);
    sequence = power_fails(fd);
    EQUAL(acknowledge(fd, sequence), 0);
    FAILS(acknowledge(fd, sequence - 2), EALREADY);
    EQUAL(statistic("acknowledged"), 1);
}

static void missing_acknowledgement(void)
{
    uint64_t sequence;
    int fd;

    load("test_trigger=1 hold_up_ms=20");
    fd = open_good();
    enroll(fd, 0);
    sequence = power_fails(fd);
    EVENTUALLY(statistic("missed") == 1);
    CHECK(kernel_said("event 2 was not acknowledged within 20 ms"));
    CHECK(!kernel_said("there is no notifier"));
    /* Late is better than never. */
    EQUAL(acknowledge(fd, sequence), 0);
    EQUAL(statistic("late"), 1);
    EQUAL(statistic("acknowledged"), 0);
    EQUAL(statistic("write_backs"), 1);
    /* The next failure is another one. */
    trigger("good");
    next(fd);
    power_fails(fd);
    EVENTUALLY(statistic("missed") == 2);
}

static void nobody_to_acknowledge(void)
{
    load("test_trigger=1 hold_up_ms=20");
    trigger("commit");
    EVENTUALLY(statistic("missed") == 1);
    CHECK(kernel_said("there is no notifier"));
}

static void bad_acknowledgements(void)
{
    uint64_t sequence;
    int fd, other;

    load("test_trigger=1 hold_up_ms=60000");
    fd = open_good();
    other = open_good();
    enroll(fd, 0);
    /* Power is good, so there is nothing to acknowledge. */
    FAILS(acknowledge(fd, 1), EINVAL);
    sequence = power_fails(fd);
    FAILS(acknowledge(fd, 0), EINVAL);
    FAILS(acknowledge(fd, sequence + 1), EINVAL);
    FAILS(acknowledge(fd, UINT64_MAX), EINVAL);
    FAILS(ioctl(fd, POD_ACKNOWLEDGE, NULL), EFAULT);
    FAILS(acknowledge(other, sequence), EPERM);
    EQUAL(statistic("write_backs"), 0);
    EQUAL(acknowledge(fd, sequence), 0);
    FAILS(acknowledge(fd, sequence), EALREADY);
    EQUAL(statistic("write_backs"), 1);
}

const struct test notifier_tests[] = {
    {"signal_44", signal_44},
    {"one_notifier_only", one_notifier_only},
    {"notifier_dies", notifier_dies},
    {"notifier_dies_in_an_outage", notifier_dies_in_an_outage},
    {"signal_to_the_dead", signal_to_the_dead},
    {"failed_signal_is_counted", failed_signal_is_counted},
    {"bad_registrations", bad_registrations},
    {"without_privileges", without_privileges},
    {"acknowledged_in_time", acknowledged_in_time},
    {"one_acknowledges_all_before", one_acknowledges_all_before},
    {"missing_acknowledgement", missing_acknowledgement},
    {"nobody_to_acknowledge", nobody_to_acknowledge},
    {"bad_acknowledgements", bad_acknowledgements},
    {NULL, NULL}
};
