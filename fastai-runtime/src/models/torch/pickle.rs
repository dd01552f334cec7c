//! The stack machine: the opcodes that dictionaries of tensors are written with, and no others.

use std::collections::HashMap;
use std::io::Read;

use super::arena::{Arena, Id, PickleNode};
use super::{MAX_PICKLE, TensorFileError, shown};

/// Most values that a file may remember for later.
const MAX_MEMO: usize = 1 << 20;
/// Most values that wait on the stack.
const MAX_STACK: usize = 1 << 20;

/// Runs the pickle that `input` begins with, up to and with its STOP, and gives its value.
pub(super) fn load(input: &mut impl Read, arena: &mut Arena) -> Result<Id, TensorFileError> {
    let mut machine = Machine {
        input: Input { input, left: MAX_PICKLE },
        arena,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        if let Some(value) = machine.step()? {
            return Ok(value);
        }
    }
}

/// The pickle's bytes, of which only so many are read.
struct Input<'a, R> {
    input: &'a mut R,
    left: u64,
}

impl<R: Read> Input<'_, R> {
    fn spend(&mut self, bytes: u64) -> Result<(), TensorFileError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            TensorFileError::new(format!("refused: the pickle is longer than {MAX_PICKLE} bytes, or claims to be"))
        })?;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TensorFileError> {
        self.spend(N as u64)?;
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(TensorFileError::io)?;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, TensorFileError> {
        Ok(self.array::<1>()?[0])
    }

    /// A claimed length is spent first; memory then grows with what is really there.
    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, TensorFileError> {
        self.spend(length)?;
        let mut bytes = Vec::new();
        self.input.take(length).read_to_end(&mut bytes).map_err(TensorFileError::io)?;
        if (bytes.len() as u64) < length {
            return Err(TensorFileError::io(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }

    fn text(&mut self, length: u64) -> Result<Box<str>, TensorFileError> {
        let bytes = self.bytes(length)?;
        String::from_utf8(bytes)
            .map(String::into_boxed_str)
            .map_err(|_| TensorFileError::new("damaged: a text that is not UTF-8"))
    }

    /// A line without its end.
    fn line(&mut self) -> Result<String, TensorFileError> {
        const LONGEST: usize = 1024;
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte if line.len() < LONGEST => line.push(byte),
                _ => return Err(TensorFileError::new("damaged: the name of a Python function is too long")),
            }
        }
        String::from_utf8(line).map_err(|_| TensorFileError::new("damaged: the name of a Python function is not UTF-8"))
    }
}

struct Machine<'a, R> {
    input: Input<'a, R>,
    arena: &'a mut Arena,
    stack: Vec<Id>,
    /// Where the marks are in the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<R: Read> Machine<'_, R> {
    /// One opcode; the value if it was the last.
    fn step(&mut self) -> Result<Option<Id>, TensorFileError> {
        match self.input.byte()? {
            b'.' => self.pop().map(Some),
            0x80 => self.protocol(),
            // FRAME groups bytes for read-ahead; its length does not concern values.
            0x95 => self.input.array::<8>().map(|_| None),
            b'(' => self.mark(),
            b'q' => self.input.byte().and_then(|at| self.remember(u32::from(at))),
            b'r' => self.input.array().and_then(|at| self.remember(u32::from_le_bytes(at))),
            0x94 => self.remember(self.memo.len() as u32),
            b'h' => self.input.byte().and_then(|at| self.recall(u32::from(at))),
            b'j' => self.input.array().and_then(|at| self.recall(u32::from_le_bytes(at))),
            opcode @ (b's' | b'u') => self.set_items(opcode == b's'),
            opcode @ (b'a' | b'e') => self.append(opcode == b'a'),
            b'b' => self.build(),
            b'Q' => {
                let argument = self.pop()?;
                let value = self.arena.resolve(argument)?;
                self.push(value)
            }
            b'R' => {
                let (argument, function) = (self.pop()?, self.pop()?);
                let value = self.arena.call(function, argument)?;
                self.push(value)
            }
            0x90 => {
                self.pop_to_mark()?;
                self.top().map(|_| None)
            }
            b'0' => self.pop().map(|_| None),
            b'2' => {
                let top = self.top()?;
                self.push(top)
            }
            opcode => {
                let node = self.node(opcode)?;
                let id = self.arena.add(node)?;
                self.push(id)
            }
        }
    }

    /// The value that an opcode makes.
    fn node(&mut self, opcode: u8) -> Result<PickleNode, TensorFileError> {
        Ok(match opcode {
            0x81 => self.object(1)?,
            0x92 => self.object(2)?,
            0x8f => PickleNode::Foreign,
            0x91 => {
                self.pop_to_mark()?;
                PickleNode::Foreign
            }
            b'N' => PickleNode::None,
            0x88 => PickleNode::Bool(true),
            0x89 => PickleNode::Bool(false),
            b'K' => PickleNode::Int(i128::from(self.input.byte()?)),
            b'M' => PickleNode::Int(i128::from(u16::from_le_bytes(self.input.array()?))),
            b'J' => PickleNode::Int(i128::from(i32::from_le_bytes(self.input.array()?))),
            0x8a => self.long()?,
            b'G' => {
                self.input.array::<8>()?;
                PickleNode::Float
            }
            // Bytes, of arrays and random generators: dropped.
            b'C' | b'B' | 0x8e | 0x96 => {
                let length = match opcode {
                    b'C' => u64::from(self.input.byte()?),
                    b'B' => u64::from(u32::from_le_bytes(self.input.array()?)),
                    _ => u64::from_le_bytes(self.input.array()?),
                };
                self.input.bytes(length)?;
                PickleNode::Foreign
            }
            b'U' | 0x8c | b'T' | b'X' | 0x8d => {
                let length = match opcode {
                    b'U' | 0x8c => u64::from(self.input.byte()?),
                    b'T' | b'X' => u64::from(u32::from_le_bytes(self.input.array()?)),
                    _ => u64::from_le_bytes(self.input.array()?),
                };
                PickleNode::Text(self.input.text(length)?)
            }
            b'}' => PickleNode::Dict(Vec::new()),
            b']' => PickleNode::List(Vec::new()),
            b')' => PickleNode::Tuple(Vec::new()),
            b't' => PickleNode::Tuple(self.pop_to_mark()?),
            0x85..=0x87 => {
                let mut items = Vec::with_capacity(3);
                for _ in 0x85..=opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                PickleNode::Tuple(items)
            }
            b'c' => {
                let module = self.input.line()?;
                let name = self.input.line()?;
                self.arena.global(&module, &name)?
            }
            0x93 => self.global()?,
            other => return Err(refused(other)),
        })
    }

    /// Objects are not built: their class, so many arguments and their state are dropped.
    fn object(&mut self, arguments: usize) -> Result<PickleNode, TensorFileError> {
        for _ in 0..arguments {
            self.pop()?;
        }
        let class = self.pop()?;
        if !self.arena.is_foreign(class) && !matches!(self.arena.node(class), PickleNode::Global(_)) {
            return Err(TensorFileError::new("damaged: an object of something that is no class"));
        }
        Ok(PickleNode::Foreign)
    }

    /// The function whose module and name are on the stack.
    fn global(&mut self) -> Result<PickleNode, TensorFileError> {
        let (name, module) = (self.pop()?, self.pop()?);
        let texts = [module, name].map(|id| self.arena.text(id).map(str::to_owned));
        match texts {
            [Some(module), Some(name)] => self.arena.global(&module, &name),
            _ => Err(TensorFileError::new("damaged: a Python function without a name")),
        }
    }

    fn protocol(&mut self) -> Result<Option<Id>, TensorFileError> {
        match self.input.byte()? {
            2..=5 => Ok(None),
            other => Err(TensorFileError::new(format!("refused: pickle protocol {other}; 2 to 5 are read"))),
        }
    }

    fn push(&mut self, id: Id) -> Result<Option<Id>, TensorFileError> {
        if self.stack.len() >= MAX_STACK {
            return Err(TensorFileError::new(format!(
                "refused: more than {MAX_STACK} values wait on the pickle's stack"
            )));
        }
        self.stack.push(id);
        Ok(None)
    }

    fn pop(&mut self) -> Result<Id, TensorFileError> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err(TensorFileError::new("damaged: the pickle takes a value that is not there"));
        }
        Ok(self.stack.pop().expect("the stack is not empty"))
    }

    fn mark(&mut self) -> Result<Option<Id>, TensorFileError> {
        if self.marks.len() >= MAX_STACK {
            return Err(TensorFileError::new(format!("refused: more than {MAX_STACK} marks on the pickle's stack")));
        }
        self.marks.push(self.stack.len());
        Ok(None)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, TensorFileError> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| TensorFileError::new("damaged: the pickle has no mark where one is needed"))?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, at: u32) -> Result<Option<Id>, TensorFileError> {
        let id = self.pop()?;
        if self.memo.len() >= MAX_MEMO && !self.memo.contains_key(&at) {
            return Err(TensorFileError::new(format!("refused: the pickle remembers more than {MAX_MEMO} values")));
        }
        self.memo.insert(at, id);
        self.push(id)
    }

    fn recall(&mut self, at: u32) -> Result<Option<Id>, TensorFileError> {
        let id = *self
            .memo
            .get(&at)
            .ok_or_else(|| TensorFileError::new(format!("damaged: value {at} is used before the pickle made it")))?;
        self.push(id)
    }

    fn set_items(&mut self, single: bool) -> Result<Option<Id>, TensorFileError> {
        let items = if single {
            let (value, key) = (self.pop()?, self.pop()?);
            vec![key, value]
        } else {
            self.pop_to_mark()?
        };
        let target = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        match self.arena.node_mut(target) {
            PickleNode::Dict(entries) if rest.is_empty() => {
                entries.extend(pairs.iter().map(|[key, value]| (*key, *value)))
            }
            PickleNode::Foreign if rest.is_empty() => {}
            _ => return Err(TensorFileError::new("damaged: an entry for something that is no dictionary")),
        }
        Ok(None)
    }

    fn append(&mut self, single: bool) -> Result<Option<Id>, TensorFileError> {
        let items = if single { vec![self.pop()?] } else { self.pop_to_mark()? };
        let target = self.top()?;
        match self.arena.node_mut(target) {
            PickleNode::List(list) => list.extend(items),
            PickleNode::Foreign => {}
            _ => return Err(TensorFileError::new("damaged: an item for something that is no list")),
        }
        Ok(None)
    }

    /// BUILD gives an object attributes. Those of an `OrderedDict` (a state dictionary has its `_metadata`) and of objects
    /// that are not built are dropped.
    fn build(&mut self) -> Result<Option<Id>, TensorFileError> {
        self.pop()?;
        let target = self.top()?;
        match self.arena.node(target) {
            PickleNode::Dict(_) | PickleNode::Foreign => Ok(None),
            _ => Err(TensorFileError::new("refused: opcode BUILD on something that is no dictionary")),
        }
    }

    fn top(&mut self) -> Result<Id, TensorFileError> {
        let id = self.pop()?;
        self.stack.push(id);
        Ok(id)
    }

    /// LONG1: a little-endian two's complement integer of so many bytes.
    fn long(&mut self) -> Result<PickleNode, TensorFileError> {
        let length = self.input.byte()?;
        if length > 16 {
            return Err(TensorFileError::new(format!("refused: an integer of {length} bytes")));
        }
        let bytes = self.input.bytes(u64::from(length))?;
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut whole = [if negative { 0xff } else { 0 }; 16];
        whole[..bytes.len()].copy_from_slice(&bytes);
        Ok(PickleNode::Int(i128::from_le_bytes(whole)))
    }
}

/// Names of the opcodes that are not executed.
const OTHERS: &[(u8, &str)] = &[
    (b'1', "POP_MARK"),
    (b'F', "FLOAT"),
    (b'I', "INT"),
    (b'L', "LONG"),
    (b'P', "PERSID"),
    (b'S', "STRING"),
    (b'V', "UNICODE"),
    (b'd', "DICT"),
    (b'g', "GET"),
    (b'i', "INST"),
    (b'l', "LIST"),
    (b'o', "OBJ"),
    (b'p', "PUT"),
    (0x82, "EXT1"),
    (0x83, "EXT2"),
    (0x84, "EXT4"),
    (0x8b, "LONG4"),
    (0x97, "NEXT_BUFFER"),
    (0x98, "READONLY_BUFFER"),
];

fn refused(opcode: u8) -> TensorFileError {
    match OTHERS.iter().find(|(code, _)| *code == opcode) {
        Some((_, name)) => TensorFileError::new(format!(
            "refused: pickle opcode {name}, which dictionaries of tensors do not need; save it again with \
             `torch.save(model.state_dict(), PATH)`"
        )),
        None => TensorFileError::new(format!("damaged: {} is no pickle opcode", shown(&format!("{opcode:#04x}")))),
    }
}
