//! The table that Go's own package is tested with, and properties.

use proptest::prelude::*;

use super::*;

/// From `TestUseProxy` of golang.org/x/net/http/httpproxy, with this list.
const LIST: &str = "foobar.com, .barbaz.net, *.wildcard.io, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, \
                    10.0.0.0/30, 2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, \
                    2002:db8:a::45/64";

fn uses_proxy(list: &str, host: &str, port: u16) -> bool {
    !Exemptions::read(list).cover(host, port)
}

#[test]
fn decides_as_go_does() {
    for (host, uses) in [
        ("localhost", false),
        ("127.0.0.1", false),
        ("127.0.0.2", false),
        ("[::1]", false),
        ("[::2]", true),
        ("192.168.1.1", false),
        ("192.168.1.2", true),
        ("192.168.1.3", false),
        ("192.168.1.4", true),
        ("10.0.0.2", false),
        ("[2001:db8::52:0:1]", false),
        ("[2001:db8::52:0:2]", true),
        ("[2001:db8::52:0:3]", false),
        ("[2002:db8:a::123]", false),
        ("[fe80::424b:c8be:1643:a1b6]", true),
        ("barbaz.net", true),
        ("www.barbaz.net", false),
        ("foobar.com", false),
        ("www.foobar.com", false),
        ("foofoobar.com", true),
        ("baz.com", true),
        ("localhost.net", true),
        ("local.localhost", true),
        ("barbarbaz.net", true),
        ("wildcard.io", true),
        ("nested.wildcard.io", false),
        ("awildcard.io", true),
    ] {
        assert_eq!(uses_proxy(LIST, host, 80), uses, "{host}");
    }
}

#[test]
fn ports_stray_commas_blanks_and_case_are_taken_as_go_takes_them() {
    for (list, host, port, uses) in [
        ("", "hub", 443, true),
        (",", "hub", 443, true),
        ("hub,", "hub", 443, false),
        (",,hub , ,", "hub", 443, false),
        ("HUB", "hub", 443, false),
        ("hub", "HUB.", 443, true),
        ("hub:6443", "hub", 443, true),
        ("hub:6443", "hub", 6443, false),
        ("hub:", "hub", 443, false),
        (":443", "hub", 443, true),
        ("hub:https", "hub", 443, true),
        ("*", "hub", 443, false),
        ("other,*", "hub", 443, false),
        (".svc", "kubernetes.default.svc", 443, false),
        ("svc", "kubernetes.default.svc", 443, false),
        ("10.96.0.1/16", "10.96.7.7", 443, false),
        ("10.0.0.0/33", "10.0.0.1", 443, true),
        ("10.0.0.0/8", "::ffff:10.1.1.1", 443, false),
        ("0.0.0.0/0", "10.1.1.1", 443, false),
        ("0.0.0.0/0", "2001:db8::1", 443, true),
        ("0.0.0.0/0", "hub", 443, true),
        ("10.0.0.0/8", "10.hub", 443, true),
    ] {
        assert_eq!(uses_proxy(list, host, port), uses, "{list} {host}:{port}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_list_and_this_host_never_uses_a_proxy(list in ".*", port: u16) {
        for host in ["localhost", "127.0.0.1", "::1", "[::1]"] {
            prop_assert!(!uses_proxy(&list, host, port));
        }
    }

    #[test]
    fn blanks_and_commas_between_entries_mean_nothing(
        entries in prop::collection::vec("[a-z*.:0-9/]{1,12}", 0..4),
        between in "[, \t\n]{1,3}",
        host in "[a-z]{1,3}(\\.[a-z]{1,3}){0,2}",
    ) {
        let plain = uses_proxy(&entries.join(","), &host, 443);
        let list = format!("{between}{}{between}", entries.join(&between));
        prop_assert_eq!(uses_proxy(&list, &host, 443), plain);
    }

    #[test]
    fn a_network_covers_exactly_what_shares_its_first_bits(own: u32, other: u32, bits in 0_u8..=32) {
        let list = format!("{}/{bits}", Ipv4Addr::from_bits(own));
        let other_address = Ipv4Addr::from_bits(other);
        prop_assume!(!other_address.is_loopback());
        let shared = (own ^ other).leading_zeros() >= u32::from(bits);
        prop_assert_eq!(uses_proxy(&list, &other_address.to_string(), 443), !shared);
    }
}

#[test]
fn entries_that_mean_nothing_are_told() {
    let list = "hub, .svc,10.0.0.0/8,*,[::1]:443,,2001:db8::1, https://hub,10.0.0.0/33,:80,hub:x .";
    assert_eq!(
        Exemptions::meaningless(list),
        ["https://hub", "10.0.0.0/33", ":80", "hub:x", "."]
    );
}
