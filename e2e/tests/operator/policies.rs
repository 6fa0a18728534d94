//! What the roles and policies that the operator installs refuse. No controller is needed for that, so
//! one hub serves all cases.

use e2e::{Operator, World};

use super::{
    approvals::an_operator_that_was_taken_over_approves_only_what_agents_request_for_their_signers,
    granters::{
        Bob, nobody_grants_more_than_it_may, nobody_takes_away_or_rewrites_what_it_may_not_grant,
    },
    rights::{
        a_server_of_somebody_elses_takes_a_verb_more_than_the_configuration_does,
        an_agent_writes_no_secret_but_the_token_secrets_of_its_cluster,
        an_operator_that_was_taken_over_binds_nothing_but_its_own_and_changes_no_role,
    },
};

#[tokio::test]
async fn what_is_installed_refuses_thieves_and_granters_what_they_may_not_do() {
    let world = World::builder().cluster("hub").start().await.unwrap();
    let hub = world.cluster("hub");
    Operator::install(hub).await.unwrap();
    let bob = Bob::new(hub).await;
    let granters = async {
        nobody_grants_more_than_it_may(&bob).await;
        nobody_takes_away_or_rewrites_what_it_may_not_grant(&bob).await;
    };
    let rights = async {
        an_operator_that_was_taken_over_binds_nothing_but_its_own_and_changes_no_role(hub).await;
        an_agent_writes_no_secret_but_the_token_secrets_of_its_cluster(hub).await;
        a_server_of_somebody_elses_takes_a_verb_more_than_the_configuration_does(hub).await;
    };
    let approvals =
        an_operator_that_was_taken_over_approves_only_what_agents_request_for_their_signers(hub);
    tokio::join!(granters, rights, approvals);
}
