//! A world whose store fails on demand, and a look behind it.

use std::sync::Arc;

use polydav_fs::FolderStore;
use polydav_store::layer::{Fault, Faulty};
use polydav_store::{Durability, Ledger, MemoryLedger, MemoryStore, Select, Store, kit};
use tempfile::TempDir;

use super::model::{Item, Node, State};
use super::script::{LOCKED, document, furniture};
use super::world::{Made, Reply, World, batch};

/// Where the resources lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Memory,
    Folder(Durability),
}

/// A furnished world.
pub struct Scene {
    pub world: World,
    pub faulty: Arc<Faulty<Arc<dyn Store>>>,
    /// The tokens of the locks that are ours.
    pub tokens: Vec<String>,
    /// What is there before.
    pub start: State,
    store: Arc<dyn Store>,
    ledger: Arc<dyn Ledger>,
    folder: Option<TempDir>,
}

/// What came of a request.
pub struct Asked {
    pub reply: Reply,
    /// Whether it came to the call that was to fail.
    pub struck: bool,
    /// How many calls there were.
    pub calls: u64,
}

impl Scene {
    pub fn new(place: Place) -> Self {
        let (store, ledger, folder) = open(place);
        let faulty = Arc::new(Faulty::new(Arc::clone(&store)));
        let world = World::of(Made {
            store: Arc::clone(&faulty) as _,
            ledger: Arc::new(faulty.beside(Arc::clone(&ledger))),
            durability: match place {
                Place::Folder(durability) => durability,
                Place::Memory => Durability::Full,
            },
            ..Made::default()
        });
        let mut scene = Self {
            world,
            faulty,
            tokens: Vec::new(),
            start: State::default(),
            store,
            ledger,
            folder,
        };
        scene.furnish();
        scene
    }

    fn furnish(&mut self) {
        let mut start = State::default();
        start.nodes.insert(String::new(), Node::default());
        let items = furniture();
        let told = self.world.ask(batch(&document(&items, ""))).items();
        for (item, told) in items.iter().zip(told) {
            let status = start.perform(item).expect("what is given can be done");
            assert!(told.ends_with(&format!(" {status} applied")), "{told}");
        }
        for (target, ours) in LOCKED {
            let token = self.world.lock(target);
            self.tokens.extend(ours.then_some(token));
            start.locks.insert(target.to_owned(), ours);
        }
        let seen = self.seen();
        assert_eq!((&seen.nodes, &seen.locks), (&start.nodes, &start.locks));
        self.start = State { etags: seen.etags, ..start };
    }

    /// Whether the store broke.
    pub fn is_broken(&self) -> bool {
        !self.faulty.capabilities(&kit::path("")).writable
    }

    /// Whether nothing that was prepared is left over.
    pub fn is_tidy(&self) -> bool {
        let stage = self.folder.as_ref().map(|folder| folder.path().join(".polydav/stage"));
        stage.is_none_or(|stage| stage.read_dir().expect("there is a stage").next().is_none())
    }

    /// What is there, read past the layer that fails.
    pub fn seen(&self) -> State {
        let mut seen = State::default();
        for (path, resource) in kit::snapshot(&*self.store) {
            let entry = self.store.stat(&path, &Select::None).expect("it was there");
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("tests write text");
            let name = if path.is_root() { String::new() } else { path.to_string() };
            if let Some(etag) = entry.etag {
                seen.etags.insert(name.clone(), etag.to_string());
            }
            let content =
                (!entry.kind.eq(&polydav_store::Kind::Collection)).then(|| text(&resource.content));
            let properties = resource
                .properties
                .iter()
                .map(|(name, value)| (name.local().to_owned(), value_of(&text(value))))
                .collect();
            seen.nodes.insert(name, Node { content, properties });
        }
        for lock in self.ledger.locks().expect("a ledger tells") {
            let ours = self.tokens.iter().any(|token| token == lock.token.as_str());
            seen.locks.insert(lock.root.to_string(), ours);
        }
        seen
    }

    /// Asks while the `nth` call fails; with 0 none does.
    pub fn ask(&self, nth: u64, fault: Fault, text: &str) -> Asked {
        self.faulty.arm(nth, fault);
        let reply = self.world.ask(text);
        let (struck, calls) = (self.faulty.struck(), self.faulty.calls());
        self.faulty.disarm();
        Asked { reply, struck, calls }
    }

    /// The batch of these items.
    pub fn document(&self, items: &[Item]) -> String {
        document(items, &self.tokens.join(" "))
    }
}

fn open(place: Place) -> (Arc<dyn Store>, Arc<dyn Ledger>, Option<TempDir>) {
    if place == Place::Memory {
        return (Arc::new(MemoryStore::new()), Arc::new(MemoryLedger::default()), None);
    }
    let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new());
    let folder = folder.expect("there is a place for folders");
    let store = FolderStore::open(folder.path(), &polydav_fs::Options::default());
    let store = Arc::new(store.expect("a new folder can be opened"));
    (Arc::clone(&store) as _, store, Some(folder))
}

/// The text in an element without attributes of its own: properties are kept as fragments.
fn value_of(fragment: &str) -> String {
    let inner = fragment.split_once('>').and_then(|(_, rest)| rest.rsplit_once("</"));
    inner.map_or_else(String::new, |(text, _)| text.to_owned())
}
