//! Which addresses, written into a URL, belong to the public internet.
//!
//! The table is that of the host, which shares nothing with components but `wit/`; a test compares the two.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `address` is globally reachable unicast by the IANA special-purpose registries (RFC 6890 and its updates).
/// In doubt it is not.
pub(crate) fn is_global(address: IpAddr) -> bool {
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

/// Only 2000::/3 is assigned to global unicast; addresses that embed an IPv4 address or belong to a site, a link or
/// this machine are outside of it, or listed here.
fn is_global_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, ..] = address.segments();
    let unicast = (0x2000..=0x3fff).contains(&first);
    let special = match (first, second, third) {
        // 2001::/23, protocol assignments: Teredo, benchmarking, AMT, AS112, ORCHID and others.
        (0x2001, 0..=0x01ff, _) => true,
        // Documentation.
        (0x2001, 0x0db8, _) | (0x3fff, 0..=0x0fff, _) => true,
        // 6to4.
        (0x2002, _, _) => true,
        // AS112 by delegation (RFC 7534).
        (0x2620, 0x004f, 0x8000) => true,
        _ => false,
    };
    unicast && !special
}

#[cfg(test)]
#[path = "../../../../host/src/outbound_http/address.rs"]
mod of_host;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_the_host() {
        let v4 = (0..=u16::MAX).flat_map(|first| {
            [0, 1, 2, 3, 48, 88, 99, 100, 113, 129, 168, 193, 196, 255]
                .into_iter()
                .flat_map(move |c| [1, 16].map(|d| Ipv4Addr::from_bits(u32::from(first) << 16 | c << 8 | d)))
        });
        let v6 = (0..=u16::MAX).flat_map(|first| {
            [0, 1, 3, 4, 0x4f, 0x1ff, 0x200, 0xdb8, 0xfff, 0x1000].into_iter().flat_map(move |second| {
                [0, 0x112, 0x8000].map(|third| Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 1))
            })
        });
        let v4 = v4.map(IpAddr::V4);
        for address in v4.chain(v6.map(IpAddr::V6)) {
            assert_eq!(is_global(address), of_host::is_global(address), "{address}");
        }
    }
}
