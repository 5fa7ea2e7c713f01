"""The public key behind a signature on the curve secp256k1, by plain arithmetic: slow, not for secrets, without a library.

Source: SEC 1, section 4.1.6, and SEC 2 for the curve. Points are Jacobian (x / z², y / z³), None is the point at infinity.
"""

from __future__ import annotations

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
Point = tuple[int, int, int] | None
G: Point = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
    1,
)


def public_key(secret: int) -> bytes:
    """The uncompressed public key of *secret*, 65 bytes."""
    return _written(_times(secret, G))


def recovered(digest: bytes, r: int, s: int, odd: int) -> bytes | None:
    """The uncompressed public key that made a signature over *digest*; *odd* says which of two it is. None where none did."""
    if not (0 < r < N and 0 < s < N and odd in (0, 1)):
        return None
    square = (pow(r, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    start: Point = (r, y if y % 2 == odd else P - y, 1)
    inverse, hashed = pow(r, -1, N), int.from_bytes(digest, "big")
    found = _sum(_times(s * inverse % N, start), _times(-hashed * inverse % N, G))
    return None if found is None else _written(found)


def _times(factor: int, point: Point) -> Point:
    total: Point = None
    for bit in bin(factor % N)[2:]:
        total = _double(total)
        if bit == "1":
            total = _sum(total, point)
    return total


def _double(point: Point) -> Point:
    if point is None:
        return None
    x, y, z = point
    yy = y * y % P
    s, m = 4 * x * yy % P, 3 * x * x % P
    over = (m * m - 2 * s) % P
    return over, (m * (s - over) - 8 * yy * yy) % P, 2 * y * z % P


def _sum(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    (x1, y1, z1), (x2, y2, z2) = one, other
    u1, u2 = x1 * z2 * z2 % P, x2 * z1 * z1 % P
    s1, s2 = y1 * pow(z2, 3, P) % P, y2 * pow(z1, 3, P) % P
    if u1 == u2:
        return _double(one) if s1 == s2 else None
    h, r = (u2 - u1) % P, (s2 - s1) % P
    hh, hhh = h * h % P, h * h * h % P
    x = (r * r - hhh - 2 * u1 * hh) % P
    return x, (r * (u1 * hh - x) - s1 * hhh) % P, h * z1 * z2 % P


def _written(point: Point) -> bytes:
    assert point is not None, "no public key is the point at infinity"
    x, y, z = point
    inverse = pow(z, -1, P)
    flat = x * inverse * inverse % P, y * pow(inverse, 3, P) % P
    return b"\x04" + b"".join(value.to_bytes(32, "big") for value in flat)
