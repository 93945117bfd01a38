/* Demuxes an Ogg file with libogg, checksums included, into one payload and the packets' lengths.
 * Prints packets, payload bytes and, for each round, seconds. Used by containers.py.
 *
 * The library's few types are declared here, so that its headers need not be installed; they are
 * part of its binary interface, which has been the same since 1.0. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct { unsigned char *data; int storage, fill, returned, unsynced, headerbytes, bodybytes; } ogg_sync_state;
typedef struct { unsigned char *header; long header_len; unsigned char *body; long body_len; } ogg_page;
typedef struct { unsigned char *packet; long bytes, b_o_s, e_o_s; int64_t granulepos, packetno; } ogg_packet;
typedef struct { uint64_t opaque[1024]; } ogg_stream_state; /* larger than the real one */
int ogg_sync_init(ogg_sync_state *);
int ogg_sync_clear(ogg_sync_state *);
char *ogg_sync_buffer(ogg_sync_state *, long);
int ogg_sync_wrote(ogg_sync_state *, long);
int ogg_sync_pageout(ogg_sync_state *, ogg_page *);
int ogg_page_serialno(const ogg_page *);
int ogg_page_bos(const ogg_page *);
int ogg_stream_init(ogg_stream_state *, int);
int ogg_stream_clear(ogg_stream_state *);
int ogg_stream_pagein(ogg_stream_state *, ogg_page *);
int ogg_stream_packetout(ogg_stream_state *, ogg_packet *);

int main(int argc, char **argv) {
    int rounds = argc > 2 ? atoi(argv[2]) : 1;
    unsigned char *payload = NULL;
    uint32_t *lengths = NULL;
    size_t bytes = 0, packets = 0;
    double *took = malloc(sizeof(double) * (rounds > 0 ? rounds : 1));
    for (int round = 0; round < rounds; round++) {
        struct timespec began, ended;
        clock_gettime(CLOCK_MONOTONIC, &began);
        FILE *file = fopen(argv[1], "rb");
        if (!file) return 1;
        size_t room = 1 << 20, places = 1 << 14;
        payload = realloc(payload, room);
        lengths = realloc(lengths, places * sizeof *lengths);
        bytes = packets = 0;
        ogg_sync_state sync;
        ogg_stream_state stream;
        ogg_page page;
        ogg_packet packet;
        int begun = 0, headers = 0;
        ogg_sync_init(&sync);
        for (;;) {
            size_t got = fread(ogg_sync_buffer(&sync, 65536), 1, 65536, file);
            if (!got) break;
            ogg_sync_wrote(&sync, (long)got);
            int found;
            while ((found = ogg_sync_pageout(&sync, &page)) != 0) {
                if (found < 0) continue;
                if (!begun && ogg_page_bos(&page)) begun = !ogg_stream_init(&stream, ogg_page_serialno(&page));
                ogg_stream_pagein(&stream, &page);
                while (ogg_stream_packetout(&stream, &packet) == 1) {
                    if (headers++ < 2) continue;
                    if (bytes + (size_t)packet.bytes > room) payload = realloc(payload, room *= 2);
                    if (packets == places) lengths = realloc(lengths, (places *= 2) * sizeof *lengths);
                    memcpy(payload + bytes, packet.packet, (size_t)packet.bytes);
                    bytes += (size_t)packet.bytes;
                    lengths[packets++] = (uint32_t)packet.bytes;
                }
            }
        }
        if (begun) ogg_stream_clear(&stream);
        ogg_sync_clear(&sync);
        fclose(file);
        clock_gettime(CLOCK_MONOTONIC, &ended);
        took[round] = (double)(ended.tv_sec - began.tv_sec) + 1e-9 * (double)(ended.tv_nsec - began.tv_nsec);
    }
    printf("%zu %zu", packets, bytes);
    for (int round = 0; round < rounds; round++) printf(" %.6f", took[round]);
    printf("\n");
    return 0;
}
