//! The name that both ends upgrade to.

#[test]
fn the_protocols_name_stays() {
    assert_eq!(tunnel::PROTOCOL, "spokeway-tunnel");
}
