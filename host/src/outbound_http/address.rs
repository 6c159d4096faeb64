//! Which addresses belong to the public internet: an allowlist for IPv6, the registries' exceptions for IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `address` is globally reachable unicast by the IANA special-purpose registries (RFC 6890 and its updates).
/// In doubt it is not.
pub(super) fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let special = match (a, b, c) {
        // The host of a virtual machine at Azure, which answers it alone and hands out its secrets.
        (168, 63, 129) => d == 16,
        // This network, private, loopback.
        (0 | 10 | 127, _, _) => true,
        // Shared address space of carriers (RFC 6598).
        (100, 64..=127, _) => true,
        // Link-local, with the metadata services of clouds.
        (169, 254, _) => true,
        (172, 16..=31, _) => true,
        // Protocol assignments, documentation, the retired 6to4 relay, private.
        (192, 0, 0 | 2) | (192, 88, 99) | (192, 168, _) => true,
        // Anycast that the nearest network answers, perhaps this one: AS112 (RFC 7534, RFC 7535), AMT (RFC 7450).
        (192, 31, 196) | (192, 175, 48) | (192, 52, 193) => true,
        // Benchmarking, documentation.
        (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224.., _, _) => true,
        _ => false,
    };
    !special
}

/// Only 2000::/3 is assigned to global unicast. Everything else (loopback, v4-mapped, v4-compatible, NAT64, unique
/// local, link-local, site-local, multicast, discard…) is outside of it; what is special inside is listed.
fn is_global_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, ..] = address.segments();
    let unicast = (0x2000..=0x3fff).contains(&first);
    let special = match (first, second, third) {
        // 2001::/23, protocol assignments: Teredo, benchmarking, AMT, AS112, ORCHID and others.
        (0x2001, 0..=0x01ff, _) => true,
        // Documentation.
        (0x2001, 0x0db8, _) | (0x3fff, 0..=0x0fff, _) => true,
        // 6to4 carries an IPv4 address that was not checked.
        (0x2002, _, _) => true,
        // AS112 by delegation (RFC 7534).
        (0x2620, 0x004f, 0x8000) => true,
        _ => false,
    };
    unicast && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.254",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "168.63.129.16",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.170",
        "192.0.2.1",
        "192.0.0.9",
        "192.0.0.192",
        "192.31.196.0",
        "192.31.196.255",
        "192.52.193.1",
        "192.88.99.1",
        "192.175.48.1",
        "192.175.48.255",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:1::1",
        "2001:1::3",
        "2001:3::1",
        "2001:3:ffff::1",
        "2001:4:112::1",
        "2001:10::1",
        "2001:20::1",
        "2001:30::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2001:db8:ffff::1",
        "2002::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "2620:4f:8000::1",
        "2620:4f:8000:ffff::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ff0e::1",
    ];

    const ALLOWED: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.1",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "168.63.129.15",
        "168.63.129.17",
        "168.63.128.16",
        "169.255.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.0.1.1",
        "192.0.3.1",
        "192.31.195.1",
        "192.31.197.1",
        "192.52.192.1",
        "192.52.194.1",
        "192.88.98.1",
        "192.175.47.1",
        "192.175.49.1",
        "192.167.1.1",
        "192.169.0.1",
        "198.17.255.255",
        "198.20.0.1",
        "198.51.99.1",
        "203.0.112.1",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700::1111",
        "2620:4f:7fff::1",
        "2620:4f:8001::1",
        "2620:4e:8000::1",
        "2a00:1450:4001:81b::200e",
        "3ffe::1",
        "3fff:1000::1",
    ];

    #[test]
    fn special_addresses_are_not_global() {
        for text in REFUSED {
            assert!(!is_global(text.parse().unwrap()), "{text} must be refused");
        }
    }

    #[test]
    fn their_neighbours_are_global() {
        for text in ALLOWED {
            assert!(is_global(text.parse().unwrap()), "{text} must be allowed");
        }
    }
}
