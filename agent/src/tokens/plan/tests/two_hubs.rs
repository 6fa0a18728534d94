//! A cluster with two hubs, whose agents use one namespace by mistake. Each hub has an account of the
//! same name.

use super::model::Model;
use crate::tokens::{
    ownership::{Mark, Owner},
    plan::Plan,
    seen::Step::*,
};

/// The agents of both hubs, each with the account of its own hub.
fn agents(ids: [Option<&str>; 2]) -> [Model; 2] {
    let mut agents = ["account-a", "account-b"].map(Model::with);
    for (agent, id) in agents.iter_mut().zip(ids) {
        agent.site.owner = id.map(|id| Owner::new(id, "managed1"));
    }
    agents
}

/// Both agents work in turn, one call at a time, and see at once what the other one did on the cluster.
fn take_turns(agents: &mut [Model; 2], rounds: usize) {
    for _ in 0..rounds {
        for (at, other) in [(0, 1), (1, 0)] {
            let _ = agents[at].step();
            agents[other].seen.service_account = agents[at].seen.service_account.clone();
        }
    }
}

#[test]
fn agents_that_do_not_know_their_hubs_revoke_each_others_tokens_without_end() {
    let mut agents = agents([None, None]);
    take_turns(&mut agents, 100);
    let revoked: usize = agents.iter().map(|it| it.count(DeleteServiceAccount)).sum();
    assert!(revoked > 50, "{revoked}");
}

#[test]
fn the_second_agent_leaves_the_account_alone_and_says_whose_it_is() {
    let mut agents = agents([Some("a"), Some("b")]);
    take_turns(&mut agents, 100);
    let [first, second] = &mut agents;
    assert_eq!(first.condition("TokenReported"), "True TokenReported");
    assert_eq!(
        second.condition("TokenReported"),
        "False ServiceAccountConflict"
    );
    let conditions = &second.seen.account.as_ref().unwrap().status.conditions;
    let message = &conditions.last().unwrap().message;
    assert!(
        message.contains("a/managed1") && message.contains("agentInstallNamespace"),
        "{message}"
    );
    for agent in [&mut *first, second] {
        assert_eq!(agent.count(DeleteServiceAccount), 0);
        agent.calls.clear();
    }
    // Nothing is called while nothing changes.
    take_turns(&mut agents, 100);
    assert_eq!(agents.map(|it| it.calls.len()), [0, 0]);
}

#[test]
fn an_account_that_is_deleted_on_one_hub_ends_nothing_of_the_other() {
    let mut agents = agents([Some("a"), Some("b")]);
    take_turns(&mut agents, 100);
    let [first, second] = &mut agents;
    let now = second.now;
    second.calls.clear();
    second.change(|account| account.deleting = Some(now));
    second.settle();
    assert_eq!(second.count(DeleteServiceAccount), 0);
    // The same if its deletion was not seen.
    second.seen.account = None;
    assert_eq!(second.plan(), Plan::Wait(None));
    assert!(first.works() && first.plan() == Plan::Wait(first.settle()));
}

#[test]
fn once_the_first_hub_has_left_the_second_one_is_served() {
    let mut agents = agents([Some("a"), Some("b")]);
    take_turns(&mut agents, 100);
    let now = agents[0].now;
    agents[0].change(|account| account.deleting = Some(now));
    take_turns(&mut agents, 100);
    assert_eq!(agents[0].count(DeleteServiceAccount), 1);
    assert_eq!(agents[1].condition("TokenReported"), "True TokenReported");
    assert_eq!(agents[1].count(DeleteServiceAccount), 0);
}

#[test]
fn what_an_earlier_version_created_for_the_account_is_used_and_for_another_one_left_alone() {
    let mut model = Model::served();
    model.site.owner = Some(Owner::new("a", "managed1"));
    let served = model.settle();
    assert_eq!(model.calls, []);
    assert!(served.is_some());
    let found = model.seen.service_account.as_mut().unwrap();
    found.mark = Mark {
        owner: None,
        account_uid: Some("account-of-somebody".to_owned()),
    };
    model.settle();
    assert_eq!(model.count(DeleteServiceAccount), 0);
    assert_eq!(
        model.condition("TokenReported"),
        "False ServiceAccountConflict"
    );
}
