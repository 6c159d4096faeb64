//! `[outbound_networking] block_networks` of the runtime configuration.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks that no connection may lead into.
#[derive(Debug, Clone, Default)]
pub struct BlockedNetworks {
    private: bool,
    networks: Vec<IpNet>,
}

impl BlockedNetworks {
    /// From entries: `private` stands for every network that is not global.
    pub fn parse(entries: &[&str]) -> Result<Self, String> {
        let mut blocked = BlockedNetworks::default();
        for entry in entries {
            match *entry {
                "private" => blocked.private = true,
                network => blocked.networks.push(network.parse().map_err(|_| format!("{network:?} is no network"))?),
            }
        }
        Ok(blocked)
    }

    /// Whether a connection to a resolved address is prohibited.
    pub fn prohibits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        (self.private && !is_global(address)) || self.networks.iter().any(|network| network.contains(&address))
    }
}

/// As Spin's `ip_network` has it. Translated addresses (64:ff9b::/96) are not looked into.
fn is_global(address: IpAddr) -> bool {
    let within = |network: &&str| network.parse::<IpNet>().is_ok_and(|network| network.contains(&address));
    !NOT_GLOBAL.iter().any(|network| within(&network))
}

const NOT_GLOBAL: [&str; 22] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::ffff:0:0/96",
    "100::/64",
    "2001:db8::/32",
    "fc00::/7",
    "fe80::/10",
    "2001::/23",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_is_what_is_not_global() {
        let blocked = BlockedNetworks::parse(&["private", "1.1.1.1/32"]).expect("networks");
        for address in ["127.0.0.1", "::1", "10.1.2.3", "169.254.169.254", "::ffff:10.0.0.1", "fd00::1", "1.1.1.1"] {
            assert!(blocked.prohibits(address.parse().expect("an address")), "{address}");
        }
        for address in ["9.9.9.9", "2606:4700::1111"] {
            assert!(!blocked.prohibits(address.parse().expect("an address")), "{address}");
        }
        assert!(!BlockedNetworks::default().prohibits("127.0.0.1".parse().expect("an address")), "open by default");
    }
}
