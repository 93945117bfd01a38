/* Reading and writing what the reference programs exchange with their callers; all numbers are
 * unsigned, 32 bits, little-endian. */
#ifndef RECORDS_H
#define RECORDS_H

#include <stdio.h>
#include <stdlib.h>

enum {
    MAX_PACKET_BYTES = 1 << 17, /* no packet of one stream that libopus makes is longer than 7,681 */
    MAX_SAMPLES = 5760,         /* 120 ms at 48 kHz (RFC 6716 section 3.2.5, rule R5) */
    MAX_CHANNELS = 255
};

static void fail(const char *what, long got) {
    fprintf(stderr, "%s: %ld\n", what, got);
    exit(1);
}

/* Returns 0 at the end of the input, if it comes before the first of the four bytes. */
static int read_number(unsigned *value) {
    unsigned char bytes[4];
    size_t got = fread(bytes, 1, sizeof bytes, stdin);
    if (got == 0 && feof(stdin)) return 0;
    if (got != sizeof bytes) fail("a number is cut off after bytes", (long)got);
    *value = bytes[0] | (unsigned)bytes[1] << 8 | (unsigned)bytes[2] << 16 | (unsigned)bytes[3] << 24;
    return 1;
}

static unsigned need_number(void) {
    unsigned value;
    if (!read_number(&value)) fail("the input ends within a record", 0);
    return value;
}

static void need_bytes(void *into, size_t bytes) {
    size_t got = fread(into, 1, bytes, stdin);
    if (got != bytes) fail("a record is cut off after bytes", (long)got);
}

static void put_bytes(const void *from, size_t bytes) {
    if (fwrite(from, 1, bytes, stdout) != bytes) fail("cannot write bytes", (long)bytes);
}

#endif
