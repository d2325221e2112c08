/* SPDX-License-Identifier: Apache-2.0 */
/* main.c -- the crash explorer
 *
 * explorer [--exhaustive N] [--samples N] [--scenario NAME] [--no-mutants]
 * explorer --replay 'SCENARIO[!drop=EVENT|!early=EVENT]/PATH'
 *
 * The last line is a JSON object.  Exit status 0: there was no violation, and
 * no mutant survived.  A replay's is 1 when it is a violation. */
#include <getopt.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#include "explore.h"
#include "harness.h"
#include "mutant.h"
#include "stage.h"

#define KILLED 3              /* exit status: a violation was found */

/* For mutants; the rest of the states is for what is not known. */
#define MUTANT_EXHAUSTIVE 1000
#define MUTANT_SAMPLES 100

static struct limits limits = {
    .exhaustive = 65536,
    .samples = 4000,
    .recovery = true,
};
static bool with_mutants = true;
static const char *only_scenario;

static struct media base;
static struct trace trace;

struct mutant {
    enum mutation mutation;
    int site;
    bool killed;
    const struct scenario *tried;  /* the last one */
    char killer[1024];             /* the state, for --replay */
};

static struct mutant mutants[1024];
static int mutant_count;

static void record(const struct scenario *scenario)
{
    stage_fresh();
    stage_seed(1);
    scenario->prepare(scenario);
    stage_describe(&base);
    record_start(&trace, true);
    scenario->operate(scenario);
    record_stop();
}

/* -- mutants ------------------------------------------------------------- */

static struct mutant *find_mutant(enum mutation mutation, int site)
{
    int i = 0;

    while (i < mutant_count && (mutants[i].site != site ||
                                mutants[i].mutation != mutation))
        i++;
    if (i == mutant_count) {
        CHECK(i < (int)(sizeof(mutants) / sizeof(*mutants)));
        mutants[mutant_count++] = (struct mutant){
            .mutation = mutation, .site = site,
        };
    }
    return &mutants[i];
}

static const char *mutant_label(const struct scenario *scenario, int at,
                                enum mutation mutation)
{
    static char label[64];

    snprintf(label, sizeof(label), "%s!%s=%d", scenario->name,
             mutation == MUTATION_DROP ? "drop" : "early", at);
    return label;
}

/* Ends the process; tells the parent which state was the first that was
 * wrong. */
__attribute__((noreturn))
static void try_mutant(const struct scenario *scenario, int at,
                       enum mutation mutation, int tell)
{
    struct limits quick = limits;
    struct tally tally = {0};
    struct trace mutated;

    if (quick.exhaustive > MUTANT_EXHAUSTIVE)
        quick.exhaustive = MUTANT_EXHAUSTIVE;
    if (quick.samples > MUTANT_SAMPLES)
        quick.samples = MUTANT_SAMPLES;
    quick.recovery = false;
    quick.first_only = true;
    quick.quiet = true;
    mutant_make(&trace, at, mutation, &mutated);
    explore(scenario, mutant_label(scenario, at, mutation), &base, &mutated,
            &quick, &tally);
    CHECK(write(tell, tally.first, sizeof(tally.first)) ==
          sizeof(tally.first));
    _exit(tally.violations ? KILLED : 0);
}

/* In a process of its own, because what is broken may break anything. */
static bool kills(const struct scenario *scenario, int at,
                  struct mutant *mutant)
{
    int ends[2], status;
    pid_t pid;

    fflush(stdout);
    CHECK(pipe(ends) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        try_mutant(scenario, at, mutant->mutation, ends[1]);
    close(ends[1]);
    CHECK(waitpid(pid, &status, 0) == pid);
    if (read(ends[0], mutant->killer, sizeof(mutant->killer)) <= 0)
        snprintf(mutant->killer, sizeof(mutant->killer), "%s, by a signal",
                 mutant_label(scenario, at, mutant->mutation));
    close(ends[0]);
    /* Accesses beyond what is left of a file are a violation, too. */
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
        return true;
    CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 ||
                                WEXITSTATUS(status) == KILLED));
    return WEXITSTATUS(status) == KILLED;
}

static void try_mutants(const struct scenario *scenario)
{
    for (int at = 0; at < trace.count; at++)
        for (enum mutation mutation = MUTATION_DROP;
             mutation <= MUTATION_EARLY; mutation++) {
            struct mutant *mutant;

            if (!mutant_possible(&trace, at, mutation))
                continue;
            mutant = find_mutant(mutation, trace.events[at].site);
            if (mutant->killed || mutant->tried == scenario)
                continue;
            mutant->tried = scenario;
            mutant->killed = kills(scenario, at, mutant);
        }
}

/* "function at file:line" of each call, the innermost first. */
static void describe_calls(const struct site *site, char *text, size_t size)
{
    char command[512], line[256];
    const char *separator = "    ";
    int length = snprintf(command, sizeof(command), "addr2line -s -f -p -e "
                          "/proc/%d/exe", (int)getpid());
    size_t used = 0;
    FILE *calls;

    for (int i = 0; i < RECORD_DEPTH && site->calls[i]; i++)
        length += snprintf(command + length,
                           sizeof(command) - (size_t)length, " %p",
                           (void *)((char *)site->calls[i] - 1));
    calls = popen(command, "r");
    CHECK(calls);
    text[0] = 0;
    while (fgets(line, sizeof(line), calls) && used < size) {
        char *more = strstr(line, " (discriminator");

        line[strcspn(line, "\n")] = 0;
        if (more)
            *more = 0;
        used += (size_t)snprintf(text + used, size - used, "%s%s\n",
                                 separator, line);
        separator = "    from ";
    }
    pclose(calls);
}

static void print_mutant(const struct mutant *mutant)
{
    static const char *const kinds[] = {"bytes", "flush", "fence", "sync"};
    const struct site *site = record_site(mutant->site);
    char calls[2048];

    describe_calls(site, calls, sizeof(calls));
    printf("%s %s this %s", mutant->killed ? "killed" : "SURVIVED",
           mutant->mutation == MUTATION_DROP ? "without" : "with",
           mutant->mutation == MUTATION_DROP ? kinds[site->kind] :
           "word early");
    if (mutant->killed)
        printf(" (%s)", mutant->killer);
    printf("\n%s", calls);
}

/* -- exploring ----------------------------------------------------------- */

static const struct scenario *find_scenario(const char *name, size_t length)
{
    for (int i = 0; scenarios[i].name; i++)
        if (strlen(scenarios[i].name) == length &&
            strncmp(scenarios[i].name, name, length) == 0)
            return &scenarios[i];
    fprintf(stderr, "there is no scenario '%.*s'\n", (int)length, name);
    exit(2);
}

static int replay(const char *text)
{
    const char *slash = strchr(text, '/');
    size_t length = strcspn(text, "!/");
    const struct scenario *scenario = find_scenario(text, length);
    struct trace mutated = trace;
    int at;

    CHECK(slash);
    record(scenario);
    mutated = trace;
    if (sscanf(text + length, "!drop=%d", &at) == 1)
        mutant_make(&trace, at, MUTATION_DROP, &mutated);
    else if (sscanf(text + length, "!early=%d", &at) == 1)
        mutant_make(&trace, at, MUTATION_EARLY, &mutated);
    return explore_replay(scenario, &base, &mutated, slash + 1);
}

static void explore_scenario(const struct scenario *scenario,
                             struct tally *sum)
{
    struct tally tally = {0};

    record(scenario);
    explore(scenario, scenario->name, &base, &trace, &limits, &tally);
    printf("%-18s %3d steps, %3" PRIu64 " crash points, %6" PRIu64
           " states (%" PRIu64 " after a crash in the recovery), %" PRIu64
           " violations\n", scenario->name, trace.count, tally.points,
           tally.states, tally.recoveries, tally.violations);
    sum->states += tally.states;
    sum->violations += tally.violations;
    if (with_mutants)
        try_mutants(scenario);
}

/* Prints all mutants; returns how many survived. */
static int survivors(void)
{
    int count = 0;

    for (int i = 0; i < mutant_count; i++) {
        print_mutant(&mutants[i]);
        count += !mutants[i].killed;
    }
    return count;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"exhaustive", required_argument, NULL, 'e'},
        {"samples", required_argument, NULL, 's'},
        {"scenario", required_argument, NULL, 'o'},
        {"no-mutants", no_argument, NULL, 'm'},
        {"replay", required_argument, NULL, 'r'},
        {0},
    };
    struct tally sum = {0};
    int option, survived;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
        switch (option) {
        case 'e':
            limits.exhaustive = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 's':
            limits.samples = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'o':
            only_scenario = optarg;
            break;
        case 'm':
            with_mutants = false;
            break;
        case 'r':
            return replay(optarg);
        default:
            return 2;
        }
    for (int i = 0; scenarios[i].name; i++)
        if (!only_scenario || strcmp(only_scenario, scenarios[i].name) == 0)
            explore_scenario(&scenarios[i], &sum);
    survived = survivors();
    printf("{\"states\": %" PRIu64 ", \"violations\": %" PRIu64
           ", \"mutants\": %d, \"mutants_survived\": %d}\n", sum.states,
           sum.violations, mutant_count, survived);
    return sum.violations || survived;
}
