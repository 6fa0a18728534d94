//! The agent is killed at every moment of a token's life, and started again.

use super::{
    phases::{self, are_entered},
    stage::Stage,
};

#[tokio::test]
async fn an_agent_killed_at_any_call_loses_and_doubles_nothing() {
    let stage = Stage::interposed().await;
    let phases = phases::all();
    for phase in &phases {
        phase.prepare(&stage).await;
        let trap = phase.enter(&stage).await;
        are_entered(std::slice::from_ref(&trap)).await;
        stage.agent.kill();
        drop(trap);
        stage.agent.process().restart().unwrap();
        let lost = phase.loses_an_answer() || phase.loses_memory();
        phase.is_over(&stage, usize::from(lost)).await;
    }
    phases::all_die(&stage, &phases).await;
}
