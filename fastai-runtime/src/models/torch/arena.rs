//! The values that a pickle makes, in one arena: shared values are one node, and nothing recurses.

use std::collections::HashMap;

use super::element::{Storage, number_type};
use super::view::View;
use super::{NumberType, TensorFileError, shown};

/// Most values of a file; each takes about 50 bytes at most, and more only for text that the file holds itself.
const MAX_NODES: usize = 1 << 21;
/// Most entries that calls copy into dictionaries: a list may be shared by many calls.
const MAX_ENTRIES: usize = 1 << 20;
/// Most tensors, of which the state dictionary may be a part.
const MAX_TENSORS: usize = 1 << 16;
/// Longest key of a storage, bytes; torch numbers them.
const MAX_KEY: usize = 256;
/// Most dimensions of a tensor.
const MAX_RANK: usize = 8;

/// A value's place in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

/// A value.
#[derive(Debug)]
pub(super) enum PickleNode {
    None,
    Bool(bool),
    Int(i128),
    Float,
    Text(Box<str>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// Numbers `start..start + length` of a storage.
    Storage {
        storage: u32,
        start: u64,
        length: u64,
    },
    Tensor(u32),
    /// An object of a class that is not known, or what a function would have made: neither is built, and what they hold
    /// is dropped.
    Foreign,
}

/// The functions and classes that a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Storage(NumberType),
    /// Any other, which is never called.
    Foreign,
}

/// Modules whose functions do something to a machine. No file of weights needs them, so a file that names one is refused
/// although nothing would be executed.
const HARMFUL: &str = "os posix nt subprocess sys shutil socket importlib \
                        runpy pty commands code ctypes webbrowser signal multiprocessing";
/// Functions of Python itself that occur in files of weights.
const PLAIN: &str =
    "set frozenset slice range xrange complex bytearray int float str object list dict getattr bool tuple bytes";

impl Global {
    /// The global of that name. One that could do harm is refused; any other that is not known is foreign.
    pub(super) fn find(module: &str, name: &str) -> Result<Self, TensorFileError> {
        let refused = || refused(&format!("{module}.{name}"));
        let package = module.split('.').next().unwrap_or(module);
        let has = |names: &str, name: &str| names.split(' ').any(|known| known == name);
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Ok(Self::RebuildParameter),
            ("torch", "Size") => Ok(Self::Size),
            ("torch" | "torch.cuda", class) => Ok(number_type(class).map_or(Self::Foreign, Self::Storage)),
            ("builtins" | "__builtin__", _) if !has(PLAIN, name) => Err(refused()),
            _ if has(HARMFUL, package) => Err(refused()),
            _ => Ok(Self::Foreign),
        }
    }
}

/// The error about a function or class in place of a dictionary of tensors.
fn refused(name: &str) -> TensorFileError {
    TensorFileError::new(format!(
        "refused: the file wants Python's `{}`, and only dictionaries of tensors are read; save it again with \
         `torch.save(model.state_dict(), PATH)`",
        shown(name)
    ))
}

/// The arena.
#[derive(Debug, Default)]
pub(super) struct Arena {
    nodes: Vec<PickleNode>,
    storages: Vec<Storage>,
    keys: HashMap<Box<str>, u32>,
    tensors: Vec<View>,
    /// The first foreign class or function.
    foreign: Option<String>,
    /// Entries that calls copied.
    entries: usize,
}

impl Arena {
    /// The global of that name.
    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<PickleNode, TensorFileError> {
        let global = Global::find(module, name)?;
        if global == Global::Foreign && self.foreign.is_none() {
            self.foreign = Some(format!("{module}.{name}"));
        }
        Ok(PickleNode::Global(global))
    }

    /// The error about the first foreign class or function, if the file names one.
    pub(super) fn foreign(&self) -> Option<TensorFileError> {
        self.foreign.as_deref().map(refused)
    }

    /// Whether this is an object that is not built, or the class of one.
    pub(super) fn is_foreign(&self, id: Id) -> bool {
        matches!(self.node(id), PickleNode::Foreign | PickleNode::Global(Global::Foreign))
    }

    pub(super) fn add(&mut self, node: PickleNode) -> Result<Id, TensorFileError> {
        if self.nodes.len() >= MAX_NODES {
            return Err(TensorFileError::new(format!("refused: the pickle makes more than {MAX_NODES} values")));
        }
        self.nodes.push(node);
        Ok(Id(self.nodes.len() as u32 - 1))
    }

    pub(super) fn node(&self, id: Id) -> &PickleNode {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn node_mut(&mut self, id: Id) -> &mut PickleNode {
        &mut self.nodes[id.0 as usize]
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            PickleNode::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn storages(&self) -> &[Storage] {
        &self.storages
    }

    pub(super) fn storage(&self, index: u32) -> &Storage {
        &self.storages[index as usize]
    }

    /// The storage of that key.
    pub(super) fn find_storage(&self, key: &str) -> Option<u32> {
        self.keys.get(key).copied()
    }

    pub(super) fn tensor(&self, index: u32) -> &View {
        &self.tensors[index as usize]
    }

    fn items(&self, id: Id) -> Result<&[Id], TensorFileError> {
        match self.node(id) {
            PickleNode::Tuple(items) | PickleNode::List(items) => Ok(items),
            _ => Err(TensorFileError::new("damaged: a tuple was expected")),
        }
    }

    fn count(&self, id: Id, what: &str) -> Result<u64, TensorFileError> {
        match self.node(id) {
            PickleNode::Int(n) => u64::try_from(*n).map_err(|_| TensorFileError::new(format!("a {what} of {n}"))),
            _ => Err(TensorFileError::new(format!("damaged: the {what} is not a number"))),
        }
    }

    /// What a persistent id, `('storage', class, key, location, length[, view])`, refers to.
    pub(super) fn resolve(&mut self, id: Id) -> Result<Id, TensorFileError> {
        let items = self.items(id)?;
        let &[kind, class, key, _, length, ref view @ ..] = items else {
            return Err(TensorFileError::new(
                "refused: a reference to something that is not a storage, as in a file of a whole model; save the weights alone with \
                 `torch.save(model.state_dict(), PATH)`",
            ));
        };
        if self.text(kind) != Some("storage") {
            let kind = self.text(kind).map_or("unnamed".to_owned(), shown);
            return Err(TensorFileError::new(format!(
                "refused: a reference of the kind `{kind}`, and only `storage` is read; a whole model was saved: save \
                 its weights with `torch.save(model.state_dict(), PATH)`"
            )));
        }
        let &PickleNode::Global(Global::Storage(element)) = self.node(class) else {
            return Err(TensorFileError::new("damaged: a storage without a class"));
        };
        let view = view.first().copied();
        let length = self.count(length, "storage length")?;
        // Keys are strings; in files from Python 2 sometimes numbers.
        let key: Box<str> = match self.node(key) {
            PickleNode::Text(text) if text.len() > MAX_KEY => {
                return Err(TensorFileError::new(format!("refused: a storage whose key has {} bytes", text.len())));
            }
            PickleNode::Text(text) => text.clone(),
            PickleNode::Int(n) => n.to_string().into(),
            _ => return Err(TensorFileError::new("damaged: a storage without a key")),
        };
        let storage = match self.keys.get(&key) {
            Some(&known) => {
                let known_as = &self.storages[known as usize];
                if known_as.element != element || known_as.length != length {
                    return Err(TensorFileError::new(format!(
                        "damaged: storage `{}` is described in two ways",
                        shown(&key)
                    )));
                }
                known
            }
            None => {
                let index = self.storages.len() as u32;
                self.storages.push(Storage { key: key.clone(), element, length });
                self.keys.insert(key, index);
                index
            }
        };
        let (start, length) = match view.map(|v| self.node(v)) {
            None | Some(PickleNode::None) => (0, length),
            Some(_) => {
                let &[_, start, part] = self.items(view.expect("just matched"))? else {
                    return Err(TensorFileError::new("damaged: a part of a storage without a place"));
                };
                let (start, part) = (self.count(start, "storage offset")?, self.count(part, "storage length")?);
                if start.checked_add(part).is_none_or(|end| end > length) {
                    return Err(TensorFileError::new("damaged: a part of a storage that reaches beyond it"));
                }
                (start, part)
            }
        };
        self.add(PickleNode::Storage { storage, start, length })
    }

    /// The result of a call.
    pub(super) fn call(&mut self, function: Id, arguments: Id) -> Result<Id, TensorFileError> {
        if self.is_foreign(function) {
            return self.add(PickleNode::Foreign);
        }
        let &PickleNode::Global(function) = self.node(function) else {
            return Err(TensorFileError::new("refused: a call of something that is no function"));
        };
        let items = self.items(arguments)?;
        match (function, items) {
            (Global::OrderedDict, []) => self.add(PickleNode::Dict(Vec::new())),
            (Global::OrderedDict, &[pairs]) => {
                // Python 2 passes the content in the call.
                let entries = self.entries + self.items(pairs)?.len();
                if entries > MAX_ENTRIES {
                    return Err(TensorFileError::new(format!(
                        "refused: its dictionaries hold more than {MAX_ENTRIES} entries"
                    )));
                }
                let pairs: Result<Vec<(Id, Id)>, TensorFileError> = self
                    .items(pairs)?
                    .iter()
                    .map(|pair| match self.items(*pair)? {
                        &[key, value] => Ok((key, value)),
                        _ => Err(TensorFileError::new("damaged: a dictionary's entry that is no pair")),
                    })
                    .collect();
                let pairs = pairs?;
                self.entries = entries;
                self.add(PickleNode::Dict(pairs))
            }
            (Global::RebuildTensor, &[storage, offset, shape, stride, ..]) => {
                let &PickleNode::Storage { storage, start, length } = self.node(storage) else {
                    return Err(TensorFileError::new("damaged: a tensor without a storage"));
                };
                let offset = self.count(offset, "tensor offset")?;
                let (shape, stride) = (self.sides(shape, "side")?, self.sides(stride, "stride")?);
                if self.tensors.len() >= MAX_TENSORS {
                    return Err(TensorFileError::new(format!("refused: more than {MAX_TENSORS} tensors")));
                }
                let view = View { storage, start, length, offset, shape, stride };
                self.tensors.push(view);
                let index = self.tensors.len() as u32 - 1;
                self.add(PickleNode::Tensor(index))
            }
            (Global::RebuildParameter, &[tensor, ..]) if matches!(self.node(tensor), PickleNode::Tensor(_)) => {
                Ok(tensor)
            }
            (Global::Size, &[sides]) => Ok(sides),
            // A tensor of another kind, such as a sparse one, or a storage that is not one.
            (Global::RebuildTensor | Global::RebuildParameter, &[first, ..]) if self.is_foreign(first) => {
                self.add(PickleNode::Foreign)
            }
            _ => Err(TensorFileError::new(format!("damaged: a call of {function:?} with other arguments"))),
        }
    }

    fn sides(&self, id: Id, what: &str) -> Result<Vec<usize>, TensorFileError> {
        let items = self.items(id)?;
        if items.len() > MAX_RANK {
            return Err(TensorFileError::new(format!(
                "refused: a tensor of {} dimensions; {MAX_RANK} are read",
                items.len()
            )));
        }
        items
            .iter()
            .map(|id| {
                let n = self.count(*id, what)?;
                usize::try_from(n).map_err(|_| TensorFileError::new(format!("a {what} of {n}")))
            })
            .collect()
    }
}
