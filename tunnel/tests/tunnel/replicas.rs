//! How gateways identify their replicas.

use std::{future::pending, sync::Arc};

use tokio::{io::duplex, sync::watch, task::JoinSet};
use tunnel::{Budget, Hello, Phase, Replica, Session, serve};

use super::ends::Targets;

#[tokio::test]
async fn an_agent_hears_which_replica_it_is_attached_to_and_how_many_there_are() {
    let replica = Replica {
        id: "0f3a".parse().unwrap(),
        of: 2,
    };
    for replica in [Some(replica), None] {
        let (near, far) = duplex(4096);
        let (sender, mut phase) = watch::channel(Phase::Greeting);
        let mut agent = JoinSet::new();
        agent.spawn(async move {
            let (hello, budget) = (Hello::default(), Budget::new(0));
            let targets = Arc::<Targets>::default();
            let _ = serve(far, &hello, targets, &budget, sender, pending()).await;
        });
        let ours = Hello {
            replica: replica.clone(),
            ..Hello::default()
        };
        let attached = Session::attach(near, &ours, Budget::new(0)).await;
        let (session, _driver) = attached.unwrap();
        let wanted = Phase::Attached {
            agreement: session.agreement().clone(),
            replica,
        };
        phase.wait_for(|phase| *phase == wanted).await.unwrap();
    }
}
