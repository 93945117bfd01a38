#!/bin/sh
# Installs what only tests need (other players and encoders, a browser, a sound server without
# hardware) where that is possible without asking: as root on Debian and its children. Never fails:
# tests that find a part missing are skipped and say so.
set -u
cd "$(dirname "$0")/.."
stamp=.venv/stamp-system

look() {
    missing=""
    for command in ffmpeg opusenc espeak-ng pulseaudio pactl; do
        command -v "$command" >/dev/null 2>&1 || missing="$missing $command"
    done
    libraries=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null)
    case $libraries in *libportaudio.so*) ;; *) missing="$missing libportaudio" ;; esac
    find /usr/lib -name 'libasound_module_pcm_pulse.so' 2>/dev/null | grep -q . ||
        missing="$missing ALSA's-pulse-plugin"
    for command in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$command" >/dev/null 2>&1 && return
    done
    missing="$missing chromium"
}

get() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@"
}

look
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && [ ! -e "$stamp" ]; then
    echo "test: installing system packages that only tests need (a minute or two)"
    # The browser by itself: not every Debian has it as a package.
    {
        get update &&
            get install ffmpeg opus-tools espeak-ng pulseaudio pulseaudio-utils libportaudio2 \
                libasound2-plugins &&
            case $missing in *chromium*) get install chromium ;; esac
    } >.venv/system-packages.log 2>&1
    look
    [ -z "$missing" ] && exit 0
    touch "$stamp" # tried once; `make clean` tries again
fi
echo "test: not on this machine:$missing; tests that need them will be skipped"
