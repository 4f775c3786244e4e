//! Files of the account.

use std::sync::{Arc, Mutex};

use amocrm_sdk::catalogs::{NewCatalog, NewCatalogElement};
use amocrm_sdk::files::{FileFilter, UploadBody};
use amocrm_sdk::leads::NewLead;
use amocrm_sdk::links::EntityType;
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};

use super::Stage;

pub async fn files(Stage { client, .. }: Stage) {
    let files = client.files();
    let whole: Vec<u8> = (0..1_300_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let pieces: Vec<_> = whole
        .chunks(100_000)
        .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
        .collect();
    let progress = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&progress);
    let plan = files
        .upload(
            "план.pdf",
            UploadBody::stream(1_300_000, stream::iter(pieces)),
        )
        .content_type("application/pdf")
        .on_progress(move |progress| seen.lock().unwrap().push(progress.sent))
        .await
        .unwrap();
    assert_eq!(plan.size, 1_300_000);
    assert_eq!(
        *progress.lock().unwrap(),
        [524_288, 1_048_576, 1_300_000],
        "three parts of 512 KB at most"
    );
    assert_eq!(files.download(&plan).await.unwrap(), whole);

    let renamed = files.rename(&plan.uuid, "план виллы").await.unwrap();
    assert!(renamed.name.contains("виллы"));
    let second = files
        .upload("план.pdf", b"second".as_slice())
        .version_of(&plan.uuid)
        .await
        .unwrap();
    assert_eq!(second.uuid, plan.uuid);
    let versions = files.versions(&plan.uuid).all().await.unwrap();
    assert_eq!(versions.len(), 2);
    let first = versions.iter().find(|version| !version.is_main).unwrap();
    assert_eq!(files.download_version(first).await.unwrap(), whole);
    let back = files.set_version(&plan.uuid, &first.uuid).await.unwrap();
    assert_eq!(back.version_uuid.as_ref(), Some(&first.uuid));

    let photo = files
        .upload("фасад.jpg", vec![7; 10])
        .content_type("image/jpeg")
        .await
        .unwrap();
    let small = FileFilter::new().size(..=100);
    let found = files.list().filter(small).all().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].uuid, photo.uuid);
    assert_eq!(files.list().all().await.unwrap().len(), 2);

    let lead = client.leads().create([NewLead::new().name("Вилла")]);
    let lead = lead.await.unwrap()[0].id;
    let attached = client.entity_files(lead);
    attached.attach([&plan.uuid, &photo.uuid]).await.unwrap();
    let list: Vec<_> = attached
        .list()
        .limit(1)
        .stream()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(list.len(), 2);
    assert!(list[0].id > list[1].id, "the newest first");
    let links = files.links(&plan.uuid).await.unwrap();
    let entity = links[0].entity().unwrap();
    assert_eq!(
        (entity.entity_type, entity.id),
        (EntityType::Leads, lead.get())
    );
    attached.detach([&plan.uuid]).await.unwrap();
    assert_eq!(attached.list().all().await.unwrap().len(), 1);

    let goods = client.catalogs().create([NewCatalog::new("Товары")]);
    let goods = goods.await.unwrap()[0].id;
    let sofa = client.catalog_elements(goods);
    let sofa = sofa.create([NewCatalogElement::new("Диван")]);
    let sofa = sofa.await.unwrap()[0].id;
    let of_sofa = client.element_files(goods, sofa);
    of_sofa.attach([&photo.uuid]).await.unwrap();
    assert_eq!(of_sofa.list().all().await.unwrap().len(), 1);
    of_sofa.detach([&photo.uuid]).await.unwrap();
    assert!(of_sofa.list().all().await.unwrap().is_empty());

    files.delete([&photo.uuid]).await.unwrap();
    assert_eq!(files.list().all().await.unwrap().len(), 1);
    let trash = FileFilter::new().deleted();
    assert_eq!(files.list().filter(trash).all().await.unwrap().len(), 1);
    let restored = files.restore([&photo.uuid]).await.unwrap();
    assert!(!restored[0].is_trashed);
    let read = files.get(&photo.uuid).await.unwrap().unwrap();
    assert!(!read.is_trashed);
    assert!(files.get("no-such-file").await.unwrap().is_none());
}
