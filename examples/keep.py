"""Import a recording and get a second from its middle, exactly."""

import sys

from opuscule.archive import import_file, open_archive

archive, source = sys.argv[1:3]  # such as birds.zarr dawn.wav
imported = import_file(archive, source)
recording = open_archive(archive)[imported.name]
middle = recording.info.total_samples // 2
second = recording.extract(middle, min(middle + 48_000, recording.info.total_samples))
print(f"{imported.name}: {len(second)} samples from sample {middle}")
