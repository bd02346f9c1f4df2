# Shunt. `make` says what there is. Lists come first, then the rules that turn them into programs.

# ---- what there is to build
PROXY   := $(sort $(shell find proxy -name '*.c' ! -path proxy/main.c))
HTTP    := $(sort $(wildcard plugins/http/*.c))
PLUGINS := $(filter-out http,$(sort $(notdir $(patsubst %/,%,$(dir $(wildcard plugins/*/*.c))))))
UNIT    := $(sort $(shell find test/unit -name 'test_*.c' 2>/dev/null))
FLOW    := $(sort $(wildcard test/flow/test_*.c))
FUZZ    := $(sort $(wildcard test/fuzz/fuzz_*.c))
SIM     := $(filter-out $(FLOW),$(sort $(wildcard test/flow/*.c)))
C       := proxy/main.c $(PROXY) $(foreach p,http $(PLUGINS),$(sort $(wildcard plugins/$p/*.c))) \
           $(UNIT) $(FLOW) $(SIM) $(FUZZ)
PURE    := $(filter proxy/base/% $(addprefix proxy/,net/address.c net/stream.c config/values.c \
           config/complaint.c core/reason.c),$(PROXY)) # linked into each plugin as well (proxy/plugin.h)
PACKAGES    := libuv libnghttp2 libconfig libcares libpcre2-8 jansson nettle
amqp_LIBS   := -lrabbitmq
kafka_LIBS  := -lrdkafka -ljansson
SIM_PLUGINS := $(filter amqp kafka,$(PLUGINS)) # what flow tests and fuzz targets can call into
PREFIX      ?= /usr/local

# ---- how
# llhttp: Debian 12 has its C sources only; they need strict mode, later versions have no such switch.
LLHTTP_LIBS := $(shell pkg-config --libs libllhttp 2>/dev/null)
LLHTTP      := $(if $(LLHTTP_LIBS),,$(wildcard /usr/share/llhttp/*.c))
LLHTTP_CPP  := $(if $(LLHTTP_LIBS),,-isystem /usr/share/include/llhttp -DLLHTTP_STRICT_MODE=1)

# Each variant has its own compiler, flags and folder. Sanitizers come from gcc, whose runtime is a shared library and
# so serves plugins too; fuzzing needs clang, and links everything into one program. What is installed or measured is
# guided: by the profile of ordinary calls that deploy/train takes of `train` (-dumpbase: both know a source by one name).
GUIDED  ?= $(if $(filter install bench,$(MAKECMDGOALS)),$(if $(findstring clang,$(CC)),,yes))
variant := $(or $(if $(SANITIZE),,$(if $(GUIDED),$(or $(filter train,$(GUIDED)),guided),release)),$(if $(filter address%,$(SANITIZE)),asan),\
    $(if $(filter thread,$(SANITIZE)),tsan),$(if $(filter fuzzer,$(SANITIZE)),fuzz),\
    $(error SANITIZE is address,undefined or thread))
CC := $(if $(filter fuzz,$(variant)),clang,$(if $(filter default,$(origin CC)),gcc,$(CC)))
sane := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
plain     := -O2 -g -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
release_C := $(plain) $(if $(findstring clang,$(CC)),,-flto=auto -ffat-lto-objects)
train_C   := $(plain) -fprofile-generate -fprofile-update=atomic
profile    = $(if $(filter train guided,$(variant)),-dumpbase build/profile/$< -dumpbase-ext .c)
guided_C  := $(release_C) -fprofile-use -fprofile-partial-training -Wno-missing-profile
asan_C    := $(sane) -fsanitize=address,undefined
tsan_C    := $(sane) -fsanitize=thread
fuzz_C    := $(sane) -O2 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-coverage=trace-cmp # (slow)
fuzz_LD   := -fsanitize=fuzzer,address,undefined
tsan_O    := build/tsan/obj/test/tsan/c11_threads.o # what librdkafka's threads become there
tsan_LD   := $(foreach f,thrd_* mtx_* cnd_* call_once,-Wl,--export-dynamic-symbol='$f')

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
        -Wimplicit-fallthrough -Werror
CPP  := -Iproxy -I. -D_GNU_SOURCE $(LLHTTP_CPP)
OPT   = -std=c11 -fPIC -fvisibility=hidden -pthread $($(variant)_C) $(profile) $(CFLAGS)
LD   := $($(variant)_C) $($(variant)_LD) -pthread -Wl,--as-needed,-z,relro,-z,now $(LDFLAGS)
LIBS  = $(LLHTTP_LIBS) $(shell pkg-config --libs $(PACKAGES)) -lm

B    := build/$(variant)
obj   = $(patsubst %.c,$B/obj/%.o,$(1))
prog  = $(patsubst %.c,$B/%,$(1))
llhttp_O := $(patsubst /usr/share/llhttp/%.c,$B/obj/llhttp/%.o,$(LLHTTP))
say   = $(if $(V),,@printf '  %-4s %s\n' $(1) $@;)
MAKEFLAGS += --no-builtin-rules $(if $(filter 0,$(MAKELEVEL)),-j$(shell nproc))

# ---- what the hand types
.DEFAULT_GOAL := help
.PHONY: help deps build test unit flow fuzz e2e soak bench lint format reference demo install clean test-compose \
    kafka units flows fuzzers tidy check-deps FORCE
help:
	@sed -n 's/^#: / /p' Makefile
#: make build      build/shunt and build/plugins (also SANITIZE=address,undefined or SANITIZE=thread)
#: make demo       one call in three acts: HTTP, a real RabbitMQ, a real Kafka
#: make test       every test; its parts: unit, flow, fuzz, e2e, test-compose (T=WORD in the name, SANITIZE=thread)
#: make soak       the same with full counts, fuzzing, valgrind and ten minutes of mixed load
#: make bench      against HAProxy, nginx and bare clients of the same brokers (T=sync); fails when a goal is missed
#: make lint       formatting, clang-tidy, shellcheck, house rules; make format mends the first
#: make reference  config/reference.md, from the tables of settings
#: make install    into PREFIX (/usr/local) below DESTDIR, compiled by a profile of ordinary calls (GUIDED= without)
#: make deps       installs the Debian packages that building needs (the others install their own)
#: make test-compose  the demos of deploy/compose in containers, by their READMEs' own words (T=one-word)
#: make clean      removes build/ (V=1 shows each command)
suite_fuzz := fuzz
$(foreach s,unit flow e2e,$(eval suite_$s := $s:$(if $(filter tsan,$(variant)),tsan,asan)))
deps:; @deploy/deps build
build: $B/shunt $(PLUGINS:%=$B/plugins/%.so)
	$(if $(filter release guided,$(variant)),@ln -sfn $(variant)/shunt build/shunt && ln -sfn $(variant)/plugins build/plugins)
test unit flow fuzz e2e:
	@deploy/deps test && test/run $(T:%=-k %) $(suite_$@)
soak:; @deploy/deps soak && SHUNT_SOAK=1 test/run $(T:%=-k %)
test-compose:; @deploy/deps compose && deploy/compose/test $T
kafka:; @PYTHONPATH=test /usr/bin/python3 -B -m support.kafka_classpath >/dev/null || true
bench demo:
	@deploy/deps $@ && $(MAKE) --no-print-directory GUIDED=$(GUIDED) build kafka
	@$(if $(filter bench,$@),SHUNT_BIN=$B/shunt test/bench/run $T,deploy/demo/run)
lint:
	@deploy/deps lint && test/run-lint; status=$$?; $(MAKE) --no-print-directory --keep-going tidy && exit $$status
format:; @deploy/deps lint && find proxy plugins test -name '*.[ch]' -exec clang-format -i {} +
reference: build; @$B/shunt reference >$B/reference.md && cp $B/reference.md config/reference.md
install: build
	install -D -t $(DESTDIR)$(PREFIX)/bin $B/shunt
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/shunt/plugins $(PLUGINS:%=$B/plugins/%.so)
	install -d $(DESTDIR)$(PREFIX)/share/shunt && cp -R config $(DESTDIR)$(PREFIX)/share/shunt/
clean:; @rm -rf build

# ---- programs
.SECONDARY:
units:   $(call prog,$(UNIT))
flows:   $(call prog,$(FLOW))
fuzzers: $(call prog,$(FUZZ))
tidy:    $(patsubst %.c,$B/tidy/%.ok,$(C))

program = $(call say,LD) mkdir -p $(@D) && $(CC) $(LD) -pie -o $@ $(filter %.o,$^) \
    -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS) $(1)
$B/shunt: $(call obj,proxy/main.c $(PROXY) $(HTTP)) $(llhttp_O) $B/sources
	$(program)
$(call prog,$(UNIT) $(FLOW) $(FUZZ)): $B/%: $B/obj/%.o $B/shunt.a
	$(call program,$(foreach p,$(PLUGINS),$($p_LIBS)) $(if $(filter fuzz,$(variant)),,-lcmocka))
$(call prog,$(FLOW)): $(call obj,$(SIM))
$B/shunt $(call prog,$(UNIT) $(FLOW)): $($(variant)_O)
$(call prog,$(FLOW) $(FUZZ)): $(SIM_PLUGINS:%=$B/plugins/%.a)

define plugin
$B/plugins/$(1).so: $(call obj,$(wildcard plugins/$(1)/*.c)) $B/base.a
$B/plugins/$(1).a: $(call obj,$(wildcard plugins/$(1)/*.c))
$(filter $B/test/unit/plugins/$(1)/%,$(call prog,$(UNIT))): $B/plugins/$(1).a
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin,$p)))
$B/plugins/%.so:
	$(call say,LD) mkdir -p $(@D) && $(CC) $(LD) -shared -Wl,-z,defs -Wl,--exclude-libs,ALL -o $@ \
	    $(filter %.o,$^) $(filter %.a,$^) $($*_LIBS) -luv

$B/shunt.a: $(call obj,$(PROXY) $(HTTP)) $(llhttp_O) $B/sources
$B/base.a: $(call obj,$(PURE)) $B/sources
%.a:
	$(call say,AR) mkdir -p $(@D) && rm -f $@ && $(or $(AR),ar) rcs $@ $(filter %.o,$^)

$B/obj/llhttp/%.o: /usr/share/llhttp/%.c Makefile | check-deps
	$(call say,CC) mkdir -p $(@D) && $(CC) $(CPP) $(OPT) -w -c -o $@ $<
$B/obj/%.o: %.c Makefile | check-deps
	$(call say,CC) mkdir -p $(@D) && $(CC) $(CPP) $(OPT) $(WARN) $(if $(filter test/fuzz/%,$<),-Wno-missing-prototypes) \
	    -MMD -MP -c -o $@ $<
$B/tidy/%.ok: %.c $B/obj/%.o .clang-tidy
	$(call say,TIDY) mkdir -p $(@D) && clang-tidy --quiet --warnings-as-errors='*' $< -- $(CPP) -std=c11 && touch $@
$(call obj,$(C)) $(llhttp_O): $(if $(filter guided,$(variant)),build/profile/taken)
build/profile/taken: deploy/train $(shell find proxy plugins/http -name '*.[ch]') $(wildcard test/bench/*.[ch])
	@$(MAKE) --no-print-directory GUIDED=train build/train/shunt && rm -rf build/profile
	$(call say,RUN) CC=$(CC) $< build/train/shunt && touch $@
-include $(patsubst %.c,$B/obj/%.d,$(C))

$B/sources: FORCE # a source that was removed must leave the archives too
	@mkdir -p $B && echo '$(PROXY) $(HTTP)' | cmp -s - $@ || echo '$(PROXY) $(HTTP)' >$@
check-deps:
	@deploy/deps --check build || { echo 'Some packages are missing: run `make deps`.' >&2; exit 1; }
