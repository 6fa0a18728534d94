//! The hub cannot dial the spoke. All other tests here depend on this.

use std::{io::ErrorKind, net::TcpStream, time::Duration};

use e2e::{fence::NODE_ADDRESS, node::KUBELET_PORT};

use crate::stage::Stage;

/// Much longer than a connection takes on one machine.
const DIAL: Duration = Duration::from_secs(2);

#[tokio::test]
async fn only_the_spoke_may_dial() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    let spoke = stage.spoke().url().trim_start_matches("https://");
    let kubelet = format!("{NODE_ADDRESS}:{KUBELET_PORT}");
    for address in [spoke, &kubelet] {
        let dialled = TcpStream::connect_timeout(&address.parse().unwrap(), DIAL);
        assert_eq!(
            dialled.unwrap_err().kind(),
            ErrorKind::TimedOut,
            "{address}"
        );
        let dial = || async { TcpStream::connect_timeout(&address.parse().unwrap(), DIAL) };
        stage.fence.on_spoke_side(dial).unwrap();
    }
    let hub = stage.hub().url().trim_start_matches("https://");
    let dial = || async { TcpStream::connect_timeout(&hub.parse().unwrap(), DIAL) };
    stage.fence.on_spoke_side(dial).unwrap();
}
