# SPDX-License-Identifier: MIT
"""Decodes the chunk codec `columns` (src/repository/columns.hh describes every byte) with nothing but
Python's standard library, so that a repository can be read without the programs that wrote it."""
import datetime
import struct

MASK = (1 << 64) - 1
EPOCH = datetime.date(1970, 1, 1).toordinal()


def decimal(number, scale, trimmed):
    digits = str(abs(number)).rjust(scale + 1, "0")
    text = digits if scale == 0 else digits[:-scale] + "." + digits[-scale:]
    if trimmed and scale > 0:
        text = text.rstrip("0").rstrip(".")
    return ("-" if number < 0 else "") + text


def timestamp(number, scale, zone):
    day, in_day = divmod(number, 86400 * 10**scale)
    seconds, fraction = divmod(in_day, 10**scale)
    clock = "%02d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)
    part = ("%0*d" % (scale, fraction)).rstrip("0") if scale else ""
    return "%s %s%s%s" % (date(day), clock, "." + part if part else "", zone)


def date(day):
    return datetime.date.fromordinal(EPOCH + day).isoformat()


def numbers(planes, count, order, base, step):
    value, result = base, []
    for i in range(count):
        u = sum((plane[i] if len(plane) > 1 else plane[0]) << 8 * p for p, plane in enumerate(planes))
        z = u >> 1 if u % 2 == 0 else -(u >> 1) - 1
        if order == 2:
            step += z
        value = base + z if order == 0 else value + step + (z if order == 1 else 0)
        signed = value & MASK
        result.append(signed - (1 << 64) if signed >> 63 else signed)
    return result


def decode(encoded, plain_length):
    version, columns, rows = struct.unpack_from("<BII", encoded)
    if version != 1:
        raise ValueError("unknown version of the column codec")
    at, maps, cells = 9, [bytes([source]) * rows for source in (0, 1, 2)], []
    for index in range(columns):
        kind, scale, order, width, map_index, entries, length, base, step = struct.unpack_from("<BBBBIIIqq", encoded, at)
        at += 32
        if map_index == len(maps):
            maps.append(encoded[at:at + rows])
            at += rows
        separator = b"\n" if index == columns - 1 else b"\t"
        texts = encoded[at:at + length].split(separator)
        at += length
        count, planes = maps[map_index].count(0), []
        for _ in range(width):
            size = count if encoded[at] else 1
            planes.append(encoded[at + 1:at + 1 + size])
            at += 1 + size
        write = {1: lambda n: texts[n], 2: lambda n: decimal(n, scale, False).encode(),
                 3: lambda n: decimal(n, scale, True).encode(), 4: lambda n: timestamp(n, scale, "").encode(),
                 5: lambda n: timestamp(n, scale, "+00").encode(), 6: lambda n: date(n).encode()}.get(kind)
        values = map(write, numbers(planes, count, order, base, step))
        rest = iter(texts[entries:])
        column = [next(values) if source == 0 else next(rest) if source == 2 else b"\\N" for source in maps[map_index]]
        cells.append([cell + separator for cell in column])
    plain = b"".join(map(b"".join, zip(*cells)))
    if at != len(encoded) or len(plain) != plain_length:
        raise ValueError("the chunk is damaged")
    return plain
