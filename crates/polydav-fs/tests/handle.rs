//! How many handles the store needs. A process of its own: the limit is the process's.

mod world;

use std::fs;

use polydav_store::Overwrite;
use world::{World, copy, delete};

#[test]
fn deep_trees_need_few_handles() {
    let world = World::new(false);
    let deep: String = vec!["d"; 1000].join("/");
    fs::create_dir_all(world.at(&deep)).unwrap();
    fs::write(world.at(&format!("{deep}/f")), "").unwrap();
    world.limit_handles(256);
    assert_eq!(world.visits(u64::MAX).len(), 1001);
    world.one(copy("d", "e", Overwrite::Refuse)).unwrap();
    assert_eq!(world.visits(u64::MAX).len(), 2002);
    world.one(delete("d")).unwrap();
    world.one(delete("e")).unwrap();
    assert_eq!(world.visits(u64::MAX).len(), 0);
}
