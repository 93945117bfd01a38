/* encode RATE CHANNELS voip|audio|lowdelay [FAMILY] <records >packets
 *
 * Makes streams of every kind for the decoders to agree on: each control of libopus's encoder may
 * change before any frame. A record is two numbers (records.h) and, for a frame, its samples:
 *
 *     request, value               sets a control; the request is libopus's own number
 *     0, samples, int16 PCM        encodes one frame, interleaved, in the machine's byte order
 *
 * One request is not in libopus's public headers: 11002 forces the mode (1000 SILK, 1001 hybrid,
 * 1002 CELT). A packet comes out as its length and its bytes.
 *
 * With a mapping family (1, 255) it is an encoder of several streams, and as if it were the first
 * packet come the numbers of streams and coupled streams and the mapping, a byte each.
 */
#include <string.h>

#include <opus.h>
#include <opus_multistream.h>

#include "records.h"

static void put_packet(const unsigned char *packet, int length) {
    unsigned char head[4];
    int i;

    for (i = 0; i < 4; i++) head[i] = (unsigned char)((unsigned)length >> 8 * i);
    put_bytes(head, sizeof head);
    put_bytes(packet, (size_t)length);
}

int main(int argc, char **argv) {
    static opus_int16 pcm[MAX_SAMPLES * MAX_CHANNELS];
    static unsigned char packet[MAX_PACKET_BYTES];
    OpusEncoder *encoder = NULL;
    OpusMSEncoder *many = NULL;
    unsigned request, value;
    int application, channels, error;

    if (argc != 4 && argc != 5) fail("expected RATE CHANNELS voip|audio|lowdelay [FAMILY]; arguments", argc - 1);
    application = strcmp(argv[3], "voip") == 0    ? OPUS_APPLICATION_VOIP
                  : strcmp(argv[3], "audio") == 0 ? OPUS_APPLICATION_AUDIO
                                                  : OPUS_APPLICATION_RESTRICTED_LOWDELAY;
    channels = atoi(argv[2]);
    if (argc == 4) {
        encoder = opus_encoder_create(atoi(argv[1]), channels, application, &error);
    } else {
        unsigned char layout[2 + MAX_CHANNELS];
        int streams, coupled;

        many = opus_multistream_surround_encoder_create(atoi(argv[1]), channels, atoi(argv[4]), &streams, &coupled,
                                                        layout + 2, application, &error);
        layout[0] = (unsigned char)streams;
        layout[1] = (unsigned char)coupled;
        if (error == OPUS_OK) put_packet(layout, 2 + channels);
    }
    if (error != OPUS_OK) fail("no such encoder", error);

    while (read_number(&request)) {
        int length;

        value = need_number();
        if (request != 0) {
            error = many == NULL ? opus_encoder_ctl(encoder, (int)request, (opus_int32)value)
                                 : opus_multistream_encoder_ctl(many, (int)request, (opus_int32)value);
            if (error != OPUS_OK) fail("libopus refuses the request", request);
            continue;
        }
        if (value > MAX_SAMPLES) fail("too many samples", value);
        need_bytes(pcm, value * (unsigned)channels * sizeof *pcm);
        length = many == NULL ? opus_encode(encoder, pcm, (int)value, packet, sizeof packet)
                              : opus_multistream_encode(many, pcm, (int)value, packet, sizeof packet);
        if (length < 0) fail(opus_strerror(length), value);
        put_packet(packet, length);
    }
    opus_encoder_destroy(encoder);
    opus_multistream_encoder_destroy(many);
    return fflush(stdout) != 0;
}
