# The thin front: every target is a script that can be read and run alone.
# "make help" prints the lines with two hashes, so a target has one.

export STATE ?= /var/tmp/temporality

PYTHON = $(STATE)/venv/bin/python
# The cloud's library is this checkout's, whichever was installed last.
TOOLS = PYTHONPATH=tools $(PYTHON)
CLOUD = $(TOOLS) -m pocketcloud
LAB = $(TOOLS) -m lab

.PHONY: help demo demo-vpm install guest kernel native docs packages test \
	lint crash-explore drills fuzz soak-vpm bare-root tempest lab-up lab-shell \
	lab-drills lab-reboot lab-bad-memory lab-down cloud-up cloud-status \
	cloud-down bench-fixation bench-engine bench-vpm bench-disks \
	bench-vault bench-region clean

help: ## say what can be made (mostly as root, on Debian 12 or 13)
	@sed -nE 's/^## /\n/p; s/^([a-z-]+):.* ## /  make \1\t/p' Makefile | \
		expand -t 23

## Start

# NVRAM=vaulted: DRAM with a vault on the disk; NVRAM=emulated: an NVDIMM that
# a tmpfs stands for.
demo: export NVRAM ?= vaulted
demo: cloud-up ## show a power cut in a real cloud
	@$(TOOLS) -m demo

demo-vpm: cloud-up ## the same with more memory than NVRAM
	@$(TOOLS) -m demo paged

install: ## install all that is needed
	@tools/install/install.sh

guest: install ## build the guest image
	@tools/guest/build.sh

kernel: install ## fetch the kernel that the POD driver is tested with
	@tests/pod/kernel.sh

native: install ## build the native library in the checkout
	@tools/native.sh

docs: install ## build the documentation and the manual pages
	@tools/docs.sh

packages: install ## build Debian packages for RELEASE, and try them
	@tools/packages/build.sh

## Test

test: native guest kernel ## linters and all tests
	@tools/test.sh

lint: install ## the linters alone
	@tools/lint.sh

crash-explore: install ## cut the power at every store to NVRAM, in a model
	@$(PYTHON) -m tests.native.explorer

# DRILLS may have --seed, and --first for the number of the first round.
drills: export N ?= 20
drills: native ## N (20) random power cuts, without a cloud
	@$(PYTHON) -m tests.drills --rounds $(N) $(DRILLS)

fuzz: install ## fuzz libvpm and the engine, FUZZ_SECONDS (60) for each
	@$(PYTHON) -m tests.fuzz

# Each kind of traffic takes so many seconds.
soak-vpm: export VPM_SECONDS ?= 3600
soak-vpm: native ## heavy swapping, VPM_SECONDS (3600) for each kind
	@$(PYTHON) -m pytest -p no:cacheprovider -v \
		tests/functional/test_vpm_traffic.py

# Into STATE/bare-root; the last commit, and nothing of the cloud.
bare-root: install ## install and test in a bare root of the other Debian
	@tests/install/bare_root.sh

# TEMPEST=--plain for ordinary servers, or the beginnings of tests' names
tempest: cloud-up ## run tempest in the pocket cloud
	@$(TOOLS) -m tempestrun $(TEMPEST)

## Laboratory

lab-up: install native ## boot a whole host with an NVDIMM, made if need be
	@$(LAB) up

lab-shell: ## a shell in it, or RUN='a command'
	@$(LAB) shell $(if $(RUN),"$(RUN)")

# All of them: LAB_NVRAM (nvdimm, dram, vault), LAB_FILESYSTEM (ext4, xfs),
# LAB_KERNEL (6.1 on Debian 12; else the newest), LAB_DOMAIN (eadr, adr).
# DRILLS may have --seed, and --first for the number of the first round;
# REBOOT may be --kexec.
lab-drills: export N ?= 20
lab-drills: lab-up ## cut its power at N (20) random moments
	@$(LAB) drills $(N) $(DRILLS)

lab-reboot: export LAB_NVRAM ?= dram
lab-reboot: lab-up ## the same host without an NVDIMM: a planned reboot
	@$(LAB) reboot $(REBOOT)

lab-bad-memory: lab-up ## have parts of its NVDIMM go bad while it is dark
	@$(LAB) bad-memory

lab-down: ## shut it down
	@$(LAB) down

## Cloud

cloud-up: install guest ## bring up the pocket cloud, or repair it
	@$(CLOUD) up

cloud-status: ## say how each of its services is
	@$(CLOUD) status

cloud-down: ## stop it
	@$(CLOUD) down

## Measure

# BENCH names pieces and options, see python -m bench.fixation --help.
bench-fixation: native guest ## fixation and recovery (10 minutes)
	@$(PYTHON) -m bench.fixation $(BENCH)

# BENCH names pieces and options, see python -m bench.engine --help.
bench-engine: native ## engine and notifier, idle and disturbed (10 minutes)
	@$(PYTHON) -m bench.engine $(BENCH)

# BENCH names parts and options, see python -m bench --help.
bench-vpm: native guest ## VPM against Linux swap, with Redis (16 minutes)
	@$(PYTHON) -m bench $(BENCH)

# BENCH names options, see python -m bench.disks --help.
bench-disks: install ## queues of disks: speed, and what a stop waits for
	@$(PYTHON) -m bench.disks $(BENCH)

# BENCH names options, see python -m bench.vault --help.
bench-vault: native ## what is left to be written when servers are fixated
	@$(PYTHON) -m bench.vault $(BENCH)

# BENCH names curves, see python -m bench.region --help.
bench-region: install ## simulate outages of regions, up to 10,000 hosts
	@$(PYTHON) -m bench.region $(BENCH)

## Clean up

clean: ## stop the cloud and remove STATE (/var/tmp/temporality)
	@tools/install/clean.sh
