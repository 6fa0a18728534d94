//! The protocol name that both ends use to upgrade.

#[test]
fn the_protocols_name_stays() {
    assert_eq!(tunnel::PROTOCOL, "spokeway-tunnel");
}
