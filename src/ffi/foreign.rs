/// One guest. Opaque; made by guest_start, released by guest_free.
pub struct ForeignGuest { x: u32 }
/// The right to post to a guest from any thread, also when the guest is gone. Opaque.
pub struct ForeignPoster { x: u32 }
