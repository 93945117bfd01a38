/* encode RATE CHANNELS voip|audio|lowdelay <records >packets
 *
 * Makes streams of every kind for the decoders to agree on: each control of libopus's encoder may
 * change before any frame. A record is two numbers (records.h) and, for a frame, its samples:
 *
 *     request, value               sets a control; the request is libopus's own number
 *     0, samples, int16 PCM        encodes one frame, interleaved, in the machine's byte order
 *
 * One request is not in libopus's public headers: 11002 forces the mode (1000 SILK, 1001 hybrid,
 * 1002 CELT). A packet comes out as its length and its bytes.
 */
#include <string.h>

#include <opus.h>

#include "records.h"

int main(int argc, char **argv) {
    static opus_int16 pcm[MAX_SAMPLES * MAX_CHANNELS];
    static unsigned char packet[MAX_PACKET_BYTES];
    OpusEncoder *encoder;
    unsigned request, value;
    int application, channels, error;

    if (argc != 4) fail("expected RATE CHANNELS voip|audio|lowdelay; arguments", argc - 1);
    application = strcmp(argv[3], "voip") == 0    ? OPUS_APPLICATION_VOIP
                  : strcmp(argv[3], "audio") == 0 ? OPUS_APPLICATION_AUDIO
                                                  : OPUS_APPLICATION_RESTRICTED_LOWDELAY;
    channels = atoi(argv[2]);
    encoder = opus_encoder_create(atoi(argv[1]), channels, application, &error);
    if (error != OPUS_OK) fail("opus_encoder_create", error);

    while (read_number(&request)) {
        unsigned char head[4];
        int length, i;

        value = need_number();
        if (request != 0) {
            error = opus_encoder_ctl(encoder, (int)request, (opus_int32)value);
            if (error != OPUS_OK) fail("libopus refuses the request", request);
            continue;
        }
        if (value > MAX_SAMPLES) fail("too many samples", value);
        need_bytes(pcm, value * (unsigned)channels * sizeof *pcm);
        length = opus_encode(encoder, pcm, (int)value, packet, sizeof packet);
        if (length < 0) fail(opus_strerror(length), value);
        for (i = 0; i < 4; i++) head[i] = (unsigned char)((unsigned)length >> 8 * i);
        put_bytes(head, sizeof head);
        put_bytes(packet, (size_t)length);
    }
    opus_encoder_destroy(encoder);
    return fflush(stdout) != 0;
}
