# The thin front: every target is a script that can be read and run alone.

export STATE ?= /var/tmp/temporality

CLOUD = $(STATE)/venv/bin/python -m pocketcloud

.PHONY: help demo demo-vpm test install native guest kernel cloud-up cloud-down \
	cloud-status tempest clean crash-explore fuzz bench-fixation \
	bench-vpm soak-vpm

help:
	@echo 'make demo            the power cut in a real cloud, shown (Debian 12, as root)'
	@echo 'make demo-vpm        the same with more memory than NVRAM'
	@echo 'make test            linters and all tests'
	@echo 'make install         install all that is needed (Debian 12, as root)'
	@echo 'make guest           build the guest image'
	@echo 'make kernel          fetch the kernel that the POD driver is tested with'
	@echo 'make cloud-up        bring up the pocket cloud, or repair it'
	@echo 'make cloud-status    say how every service of it is'
	@echo 'make cloud-down      stop it'
	@echo 'make tempest         run tempest in it, brought up if need be'
	@echo 'make crash-explore   cut the power wherever it hurts, in a model (as root)'
	@echo 'make fuzz            fuzz what libvpm reads, FUZZ_SECONDS (60) each (as root)'
	@echo 'make bench-fixation  measure fixation and recovery (as root, 10 minutes)'
	@echo 'make soak-vpm        heavy swapping under QEMU, VPM_SECONDS (3600) each (as root)'
	@echo 'make bench-vpm       measure VPM: Linux swap, Redis (as root, 16 minutes)'
	@echo 'make clean           stop it and remove $(STATE)'

demo: cloud-up
	@$(STATE)/venv/bin/python -m demo

demo-vpm: cloud-up
	@$(STATE)/venv/bin/python -m demo paged

test: native guest kernel
	@tools/test.sh

install:
	@tools/install/install.sh

guest: install
	@tools/guest/build.sh

kernel: install
	@tests/pod/kernel.sh

cloud-up: install guest
	@$(CLOUD) up

cloud-down:
	@$(CLOUD) down

cloud-status:
	@$(CLOUD) status

# TEMPEST=--plain for ordinary servers, or the beginnings of tests' names
tempest: cloud-up
	@$(STATE)/venv/bin/python -m tempestrun $(TEMPEST)

crash-explore: install
	@$(STATE)/venv/bin/python -m tests.native.explorer

fuzz: install
	@$(STATE)/venv/bin/python -m tests.fuzz

# What imports the checkout needs the native library in it.
native: install
	@tools/native.sh

# BENCH names pieces and options, see python -m bench.fixation --help.
bench-fixation: native guest
	@$(STATE)/venv/bin/python -m bench.fixation $(BENCH)

# BENCH names parts and options, see python -m bench --help.
bench-vpm: native guest
	@$(STATE)/venv/bin/python -m bench $(BENCH)

# Each kind of traffic takes so many seconds.
soak-vpm: export VPM_SECONDS ?= 3600
soak-vpm: native
	@$(STATE)/venv/bin/python -m pytest -p no:cacheprovider -v \
		tests/functional/test_vpm_traffic.py

clean:
	@tools/install/clean.sh
