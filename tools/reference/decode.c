/* decode RATE CHANNELS COMPLEXITY int16|float [STREAMS COUPLED MAPPING] <records >pcm
 *
 * Decodes with libopus's public interface and nothing else, so that the package's decoder has
 * something to be equal to. A record is four numbers and a packet (records.h):
 *
 *     action, samples, offset, length, packet of that length
 *
 * with these actions, each letter as its ASCII code:
 *
 *     d   decode the packet
 *     f   rebuild the frame before the packet from the in-band FEC that it carries
 *     r   rebuild `samples` that begin `offset` before the packet, from its deep redundancy
 *     c   conceal `samples`; the packet is empty
 *
 * Samples come out interleaved in the machine's own byte order. Whatever is not as it should be
 * (a packet without the redundancy that is asked for, too) ends the program with a message.
 *
 * With a layout (the mapping as two hexadecimal digits a channel) it is a decoder of several streams.
 * It has no deep redundancy, and `f` is of `samples`, which are to be those of the packet at least:
 * libopus conceals what FEC does not reach, in each stream, and does not tell.
 */
#include <string.h>

#include <opus.h>
#include <opus_multistream.h>

#include "records.h"

enum { MAX_DRED_MS = 1040 };

static int is_float, rate;
static float float_pcm[MAX_SAMPLES * MAX_CHANNELS];
static opus_int16 int16_pcm[MAX_SAMPLES * MAX_CHANNELS];

static OpusMSDecoder *many; /* for several streams; else NULL */

static int decode(OpusDecoder *decoder, const unsigned char *packet, int length, int samples, int fec) {
    if (many != NULL)
        return is_float ? opus_multistream_decode_float(many, packet, length, float_pcm, samples, fec)
                        : opus_multistream_decode(many, packet, length, int16_pcm, samples, fec);
    return is_float ? opus_decode_float(decoder, packet, length, float_pcm, samples, fec)
                    : opus_decode(decoder, packet, length, int16_pcm, samples, fec);
}

static int decode_dred(OpusDecoder *decoder, const unsigned char *packet, int length, int offset, int samples) {
    static OpusDREDDecoder *dred_decoder;
    static OpusDRED *dred;
    int error, end, reach;

    if (dred == NULL) {
        dred_decoder = opus_dred_decoder_create(&error);
        if (error != OPUS_OK) fail("opus_dred_decoder_create", error);
        dred = opus_dred_alloc(&error);
        if (error != OPUS_OK) fail("opus_dred_alloc", error);
    }
    reach = opus_dred_parse(dred_decoder, dred, packet, length, rate / 1000 * MAX_DRED_MS, rate, &end, 0);
    if (reach < offset) fail("deep redundancy does not reach back to the offset; it reaches", reach);
    return is_float ? opus_decoder_dred_decode_float(decoder, dred, offset, float_pcm, samples)
                    : opus_decoder_dred_decode(decoder, dred, offset, int16_pcm, samples);
}

static OpusMSDecoder *several(int channels, const char *streams, const char *coupled, const char *digits) {
    unsigned char mapping[MAX_CHANNELS];
    char digit[3] = {0};
    int i, error;
    OpusMSDecoder *made;

    if (channels > MAX_CHANNELS || strlen(digits) != 2 * (size_t)channels) fail("the mapping is not of channels", channels);
    for (i = 0; i < channels; i++) {
        memcpy(digit, digits + 2 * i, 2);
        mapping[i] = (unsigned char)strtoul(digit, NULL, 16);
    }
    made = opus_multistream_decoder_create(rate, channels, atoi(streams), atoi(coupled), mapping, &error);
    if (error != OPUS_OK) fail("opus_multistream_decoder_create", error);
    return made;
}

int main(int argc, char **argv) {
    static unsigned char packet[MAX_PACKET_BYTES];
    OpusDecoder *decoder = NULL;
    unsigned action, samples, offset, length;
    int channels, error;

    if (argc == 2 && strcmp(argv[1], "--version") == 0) return puts(opus_get_version_string()) < 0;
    if (argc != 5 && argc != 8)
        fail("expected RATE CHANNELS COMPLEXITY int16|float [STREAMS COUPLED MAPPING]; arguments", argc - 1);
    rate = atoi(argv[1]);
    channels = atoi(argv[2]);
    is_float = strcmp(argv[4], "float") == 0;
    if (argc == 8) {
        many = several(channels, argv[5], argv[6], argv[7]);
        error = opus_multistream_decoder_ctl(many, OPUS_SET_COMPLEXITY(atoi(argv[3])));
    } else {
        decoder = opus_decoder_create(rate, channels, &error);
        if (error != OPUS_OK) fail("opus_decoder_create", error);
        error = opus_decoder_ctl(decoder, OPUS_SET_COMPLEXITY(atoi(argv[3])));
    }
    if (error != OPUS_OK) fail("OPUS_SET_COMPLEXITY", error);

    while (read_number(&action)) {
        int decoded;

        samples = need_number();
        offset = need_number();
        length = need_number();
        if (samples > MAX_SAMPLES) fail("too many samples", samples);
        if (offset > (unsigned)rate * 2) fail("too far back", offset);
        if (length > sizeof packet) fail("the packet is too long", length);
        need_bytes(packet, length);
        switch (action) {
        case 'd':
            decoded = decode(decoder, packet, (int)length, MAX_SAMPLES, 0);
            break;
        case 'f':
            if (many != NULL) {
                decoded = decode(NULL, packet, (int)length, (int)samples, 1);
                break;
            }
            if (opus_packet_has_lbrr(packet, (int)length) != 1) fail("the packet has no FEC; bytes", length);
            decoded = decode(decoder, packet, (int)length, opus_packet_get_samples_per_frame(packet, rate), 1);
            break;
        case 'r':
            if (many != NULL) fail("several streams have no deep redundancy", (long)offset);
            decoded = decode_dred(decoder, packet, (int)length, (int)offset, (int)samples);
            break;
        case 'c':
            decoded = decode(decoder, NULL, 0, (int)samples, 0);
            break;
        default:
            decoded = OPUS_UNIMPLEMENTED;
        }
        if (decoded < 0) fail(opus_strerror(decoded), (long)action);
        if (is_float)
            put_bytes(float_pcm, (size_t)(decoded * channels) * sizeof *float_pcm);
        else
            put_bytes(int16_pcm, (size_t)(decoded * channels) * sizeof *int16_pcm);
    }
    opus_decoder_destroy(decoder);
    opus_multistream_decoder_destroy(many);
    return fflush(stdout) != 0;
}
