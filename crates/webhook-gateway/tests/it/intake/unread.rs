//! What cannot be read is kept, and costs nothing that can.

use super::world::{Place, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_read_costs_none_of_those_beside_it() {
    let place = Place::sqlite();
    let world = World::start(&place).await;
    let body = "account[id]=31000001&leads[add][0][id]=1&leads[add][1][name]=Ann&leads[add][2][id]=3&task[add][0][text]=x";
    let answer = world.webhook(body).await;
    assert_eq!(answer.counts(), (2, 0));
    let problem = "webhook leads[add][1][id]: expected a numeric id (and 1 more)";
    assert_eq!(answer.json()["problem"], problem);
    let subjects: Vec<_> = world
        .events()
        .await
        .into_iter()
        .filter_map(|event| event.subject)
        .collect();
    assert_eq!(subjects, ["leads/1", "leads/3"]);
    let request = answer.json()["request"].as_i64().unwrap();
    let kept = world
        .store()
        .gateway()
        .request(request)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.problem.as_deref(), Some(problem));
    assert_eq!(&kept.body.unwrap()[..], body.as_bytes());
    world.stop().await;
}
