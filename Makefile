# Builds and installs the C library with nothing but cargo: `make install`, to a PREFIX that is yours, or `make && sudo make
# install-built`. With cargo-c, `cargo cinstall --release` does the same, and knows more (cross compiling, Debian's folders).

PREFIX = /usr/local
LIBDIR = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
PKGCONFIGDIR = $(LIBDIR)/pkgconfig
CMAKEDIR = $(LIBDIR)/cmake/eintr
MANDIR = $(PREFIX)/share/man
DESTDIR =
CARGO = cargo
STRIP = strip
TARGET = target

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# Before 1.0 each minor version may break the ABI; so cargo-c names it, too.
SONAME := libeintr.so.$(shell echo $(VERSION) | cut -d. -f1,2)
BUILT := $(TARGET)/release
FILLED = sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|; s|@SONAME@|$(SONAME)|'

# Else the archive has all of Rust's standard library in it, several times the size.
SMALL = --config profile.release.lto=true --config profile.release.codegen-units=1

all:
	$(CARGO) rustc --lib --release $(SMALL) --features capi --target-dir $(TARGET) --crate-type cdylib,staticlib -- \
	    -C link-arg=-Wl,-soname,$(SONAME) -C link-arg=-Wl,-z,nodelete

install: all
	$(MAKE) --no-print-directory install-built

install-built:
	install -d $(addprefix $(DESTDIR),$(LIBDIR) $(INCLUDEDIR) $(PKGCONFIGDIR) $(CMAKEDIR) $(MANDIR)/man3)
	install -m 755 $(BUILT)/libeintr.so $(DESTDIR)$(LIBDIR)/libeintr.so.$(VERSION)
	ln -sf libeintr.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libeintr.so
	install -m 644 $(BUILT)/libeintr.a $(DESTDIR)$(LIBDIR)/libeintr.a
	# A third of it is debugging information of Rust's standard library; the shared one has none either.
	-$(STRIP) --strip-debug $(DESTDIR)$(LIBDIR)/libeintr.a
	install -m 644 include/eintr.h include/eintr.hpp include/eintr.tsan $(DESTDIR)$(INCLUDEDIR)
	$(FILLED) eintr.pc.in > $(DESTDIR)$(PKGCONFIGDIR)/eintr.pc
	$(FILLED) eintr-static.pc.in > $(DESTDIR)$(PKGCONFIGDIR)/eintr-static.pc
	$(FILLED) eintr-config.cmake.in > $(DESTDIR)$(CMAKEDIR)/eintr-config.cmake
	$(FILLED) eintr-config-version.cmake.in > $(DESTDIR)$(CMAKEDIR)/eintr-config-version.cmake
	awk -v version=$(VERSION) -v date="$$(date -u -r include/eintr.h +%Y-%m-%d)" -v dir=$(DESTDIR)$(MANDIR)/man3 -f man.awk include/eintr.h
	test -n "$(DESTDIR)" || test "$$(id -u)" != 0 || ldconfig

.PHONY: all install install-built
