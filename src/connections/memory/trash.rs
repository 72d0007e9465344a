//! The trash of the memory drive, as a person uses it in a browser.

use std::sync::Arc;

use bytes::Bytes;

use super::{FileId, MemoryDrive, Node};

/// Something in the trash, with all that lay in it.
#[derive(Debug)]
pub struct Trashed {
    id: FileId,
    nodes: Vec<Arc<Node>>,
    content: Vec<(FileId, Bytes)>,
}

/// The session that a person in a browser is: none of ours.
const BROWSER: u64 = 0;

impl MemoryDrive {
    /// Puts an entry into the trash, with all that lies in it: nobody sees it, and no id of it can be
    /// used.
    pub fn trash(&self, id: &FileId) -> Trashed {
        let mut world = self.lock();
        let nodes = world.current.with_all_in_it(id);
        let content =
            nodes.iter().filter_map(|n| Some((n.id.clone(), world.content.get(&n.id)?.clone())));
        let content = content.collect();
        world.write(BROWSER, id, nodes.iter().map(|node| (node.id.clone(), None)).collect());
        Trashed { id: id.clone(), nodes, content }
    }

    /// Takes something out of the trash again, as it was.
    pub fn restore(&self, trashed: Trashed) {
        let mut world = self.lock();
        world.content.extend(trashed.content);
        let nodes = trashed.nodes.iter().map(|node| (node.id.clone(), Some(Node::clone(node))));
        world.write(BROWSER, &trashed.id, nodes.collect());
    }
}
