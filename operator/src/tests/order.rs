//! Whatever happens in whatever order, the hub reaches the same state, and then nothing more is
//! written.

use crds::addon::Version;
use proptest::{prelude::*, sample::Index};
use serde_json::json;

use super::model::{Hub, ready};
use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    names::{ACCOUNTS, GATEWAY, TUNNEL_ROLE, WORK},
    plan::row_key,
};

/// An event that happens once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    Configure,
    /// The gateway gets an entrance of its own.
    Entrance,
    GatewayAnswers,
    Accept(&'static str),
    /// The cluster was there before and leaves.
    Leave(&'static str),
    ByToken(&'static str),
    Meddle(Meddling),
}

/// A change that somebody else makes to the operator's objects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meddling {
    DeleteRow,
    DeleteWork,
    DeleteAccount,
    EditBinding,
    EditAddOn,
}

pub(super) const ALL: [Happening; 12] = [
    Happening::Configure,
    Happening::Entrance,
    Happening::GatewayAnswers,
    Happening::Accept("managed1"),
    Happening::Accept("managed2"),
    Happening::Leave("managed3"),
    Happening::ByToken("managed2"),
    Happening::Meddle(Meddling::DeleteRow),
    Happening::Meddle(Meddling::DeleteWork),
    Happening::Meddle(Meddling::DeleteAccount),
    Happening::Meddle(Meddling::EditBinding),
    Happening::Meddle(Meddling::EditAddOn),
];

pub(super) fn happen(hub: &mut Hub, happening: Happening) {
    match happening {
        Happening::Configure => {
            hub.configure(&json!({"clusters": {"selector": {"matchLabels": {"gateway": "on"}}}}));
        }
        Happening::Entrance => {
            let entrypoint = json!({"type": "Hostname", "hostname": "gateway.example.com"});
            hub.configure(&json!({"egress": {"entrypoint": entrypoint}}));
        }
        Happening::GatewayAnswers => hub.observed.server = ready(),
        Happening::Accept(cluster) => hub.accept(cluster, &json!({"gateway": "on"})),
        Happening::Leave(cluster) => hub.accept(cluster, &json!({"gateway": "off"})),
        Happening::ByToken(cluster) => hub.by_token.push(cluster.to_owned()),
        Happening::Meddle(meddling) => meddle(hub, meddling),
    }
}

fn meddle(hub: &mut Hub, meddling: Meddling) {
    let cluster = "managed1";
    let key = match meddling {
        Meddling::DeleteRow => row_key(cluster, Addon::Proxy),
        Meddling::DeleteWork => ObjectKey::new(Kind::ManifestWork, cluster, WORK),
        Meddling::DeleteAccount => ObjectKey::new(Kind::ManagedServiceAccount, cluster, GATEWAY),
        Meddling::EditBinding => ObjectKey::global(Kind::ClusterRoleBinding, TUNNEL_ROLE),
        Meddling::EditAddOn => ObjectKey::global(Kind::ClusterManagementAddOn, ACCOUNTS),
    };
    if hub.observed.object(&key).is_none() {
        return;
    }
    match meddling {
        Meddling::EditBinding => {
            hub.write(
                &key,
                &json!({"subjects": [{"kind": "Group", "name": "everybody"}]}),
            );
        }
        Meddling::EditAddOn => {
            hub.write(&key, &json!({"spec": {"addOnMeta": {"displayName": "x"}}}));
        }
        _ => hub.remove(&key),
    }
}

fn begin(addons: Version) -> Hub {
    let mut hub = Hub::new(addons);
    hub.install();
    hub.accept("managed3", &json!({"gateway": "on"}));
    hub
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V1alpha1), Just(Version::V1beta1)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_ends_in_the_same_state_and_then_nothing_is_written(
        addons in version(),
        happenings in Just(ALL.to_vec()).prop_shuffle(),
        turns in proptest::collection::vec((any::<Index>(), 0..3_usize), ALL.len()),
    ) {
        let mut wanted = begin(addons);
        for happening in ALL {
            happen(&mut wanted, happening);
        }
        wanted.settle();

        let mut hub = begin(addons);
        for (happening, (which, others)) in happenings.into_iter().zip(turns) {
            happen(&mut hub, happening);
            // Plans single keys now and then, and lets others act only at some of these times.
            let keys = hub.keys();
            hub.turn(which.get(&keys));
            for _ in 0..others {
                hub.others_act();
                let keys = hub.keys();
                hub.turn(which.get(&keys));
            }
        }
        hub.settle();
        prop_assert_eq!(hub.portrait(), wanted.portrait());
        for key in hub.keys() {
            prop_assert_eq!(hub.plan(&key).actions, vec![]);
        }
    }
}
