//! The memory that the bodies of all requests take together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::refusal::Refusal;

/// The room of one host.
pub(crate) struct BodyRoom(Arc<Mutex<Rooms>>);

/// What one body takes of it, until it is dropped.
pub(crate) struct Part {
    rooms: Arc<Mutex<Rooms>>,
    /// Who began to arrive earlier has a lower one.
    number: u64,
    size: Option<Size>,
    gives_way: Arc<Notify>,
}

struct Rooms {
    small: Room,
    large: Room,
    /// How many bodies there were.
    bodies: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

/// Invariant: `free` and what `taken` has make up the whole room.
struct Room {
    free: usize,
    taken: BTreeMap<u64, Taken>,
}

struct Taken {
    units: usize,
    /// Tells a body that still arrives that it has to go; `None` once it is whole.
    gives_way: Option<Arc<Notify>>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Part").field("number", &self.number).field("size", &self.size).finish_non_exhaustive()
    }
}

impl BodyRoom {
    /// Room for so many bytes, a quarter of them for small bodies alone.
    pub(crate) fn new(bytes: usize) -> Self {
        let small = bytes / SMALL_BODIES;
        let room = |bytes: usize| Room { free: bytes / UNIT_BYTES, taken: BTreeMap::new() };
        Self(Arc::new(Mutex::new(Rooms { small: room(small), large: room(bytes - small), bodies: 0 })))
    }

    /// The part of a body that begins to arrive. It takes nothing yet.
    pub(crate) fn part(&self) -> Part {
        let mut rooms = locked(&self.0);
        rooms.bodies += 1;
        Part { rooms: self.0.clone(), number: rooms.bodies, size: None, gives_way: Arc::default() }
    }
}

impl Part {
    /// Waits until the body has to go.
    pub(crate) async fn gives_way(&self) {
        self.gives_way.notified().await;
    }

    /// Takes what a body of `length` bytes needs beyond what it has. Where that is not free, bodies that began to arrive
    /// earlier give way, the earliest first.
    pub(crate) fn grow(&mut self, length: usize) -> Result<(), Refusal> {
        let rooms = &mut *locked(&self.rooms);
        let size = if length > SMALL_BODY_BYTES { Size::Large } else { Size::Small };
        if let Some(now) = self.size {
            let has = if now == size { rooms.of(now).has(self.number) } else { rooms.of(now).give_back(self.number) };
            if !has {
                return Err(Refusal::Crowded);
            }
        }
        self.size = Some(size);
        rooms.of(size).take(self.number, length.div_ceil(UNIT_BYTES), &self.gives_way)
    }

    /// The body is whole: it does not give way any more.
    pub(crate) fn arrived(&mut self) -> Result<(), Refusal> {
        let Some(size) = self.size else { return Ok(()) };
        match locked(&self.rooms).of(size).taken.get_mut(&self.number) {
            Some(taken) => taken.gives_way = None,
            None => return Err(Refusal::Crowded),
        }
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(size) = self.size {
            locked(&self.rooms).of(size).give_back(self.number);
        }
    }
}

impl Rooms {
    fn of(&mut self, size: Size) -> &mut Room {
        match size {
            Size::Small => &mut self.small,
            Size::Large => &mut self.large,
        }
    }
}

impl Room {
    fn has(&self, number: u64) -> bool {
        self.taken.contains_key(&number)
    }

    /// Whether there was something to give back.
    fn give_back(&mut self, number: u64) -> bool {
        let taken = self.taken.remove(&number);
        self.free += taken.as_ref().map_or(0, |taken| taken.units);
        taken.is_some()
    }

    fn take(&mut self, number: u64, units: usize, gives_way: &Arc<Notify>) -> Result<(), Refusal> {
        let has = self.taken.get(&number).map_or(0, |taken| taken.units);
        let missing = units.saturating_sub(has);
        while self.free < missing {
            self.displace_before(number)?;
        }
        self.free -= missing;
        self.taken.insert(number, Taken { units: has + missing, gives_way: Some(gives_way.clone()) });
        Ok(())
    }

    /// Tells the body to go that has been arriving for the longest time. What it has is free at once: it is given back
    /// before anything else is read.
    fn displace_before(&mut self, number: u64) -> Result<(), Refusal> {
        let mut earlier = self.taken.range(..number);
        let longest = earlier.find_map(|(number, taken)| Some((*number, taken.gives_way.clone()?)));
        let Some((longest, gives_way)) = longest else { return Err(Refusal::Crowded) };
        self.give_back(longest);
        gives_way.notify_one();
        Ok(())
    }
}

fn locked(rooms: &Mutex<Rooms>) -> MutexGuard<'_, Rooms> {
    rooms.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In what room is counted.
const UNIT_BYTES: usize = 1 << 10;
/// A call of a tool, a token request or a registration has a few kilobytes.
const SMALL_BODY_BYTES: usize = 16 << 10;
/// The part of the room that is for small bodies alone: one in so many bytes.
const SMALL_BODIES: usize = 4;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const KIB: usize = 1 << 10;

    fn part_of(room: &BodyRoom, length: usize) -> Part {
        let mut part = room.part();
        part.grow(length).expect("there is room");
        part
    }

    fn has_to_go(part: &Part) -> bool {
        part.gives_way().now_or_never().is_some()
    }

    /// What is free for small and for large bodies, in kibibytes.
    fn free(room: &BodyRoom) -> [usize; 2] {
        let rooms = locked(&room.0);
        [rooms.small.free, rooms.large.free]
    }

    #[test]
    fn a_body_that_grows_moves_to_the_room_of_large_ones() {
        let room = BodyRoom::new(400 * KIB);
        let mut part = part_of(&room, 1);
        assert_eq!(free(&room), [99, 300]);
        part.grow(16 * KIB).unwrap();
        assert_eq!(free(&room), [84, 300]);
        part.grow(16 * KIB + 1).unwrap();
        assert_eq!(free(&room), [100, 283]);
        drop(part);
        assert_eq!(free(&room), [100, 300]);
    }

    #[test]
    fn the_earliest_gives_way_and_one_that_is_whole_never_does() {
        let room = BodyRoom::new(40 * KIB);
        let mut whole = part_of(&room, 4 * KIB);
        whole.arrived().unwrap();
        let [second, third] = [part_of(&room, 3 * KIB), part_of(&room, 3 * KIB)];
        let fourth = part_of(&room, 2 * KIB);
        assert_eq!([&whole, &second, &third, &fourth].map(has_to_go), [false, true, false, false]);
        assert_eq!(free(&room), [1, 30]);
        drop(second);
        assert_eq!(free(&room), [1, 30], "what it had was given back already");
    }

    #[test]
    fn the_earliest_of_all_is_itself_refused() {
        let room = BodyRoom::new(40 * KIB);
        let mut first = part_of(&room, 4 * KIB);
        let second = part_of(&room, 6 * KIB);
        assert_eq!(first.grow(5 * KIB), Err(Refusal::Crowded));
        assert!(!has_to_go(&second));
    }

    #[test]
    fn one_that_has_to_go_takes_nothing_any_more() {
        let room = BodyRoom::new(40 * KIB);
        let mut first = part_of(&room, 6 * KIB);
        let second = part_of(&room, 6 * KIB);
        assert_eq!(first.grow(7 * KIB), Err(Refusal::Crowded), "before it knows");
        assert_eq!(first.grow(17 * KIB), Err(Refusal::Crowded));
        assert_eq!(first.arrived(), Err(Refusal::Crowded));
        drop((first, second));
        assert_eq!(free(&room), [10, 30]);
    }

    #[test]
    fn the_largest_rooms_there_can_be_are_counted() {
        let room = BodyRoom::new(usize::MAX);
        let part = part_of(&room, 1 << 40);
        assert!(!has_to_go(&part));
    }
}
