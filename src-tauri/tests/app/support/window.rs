use x11rb::{
    connection::Connection,
    protocol::xproto::{Atom, AtomEnum, ClientMessageEvent, ConnectionExt, EventMask, MapState, Window},
};

/// What a window manager does when the user closes the window of a process.
pub fn close(process: u32) {
    let (display, screen) = x11rb::connect(None).unwrap();
    let atom = |name: &str| display.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
    let windows = display.query_tree(display.setup().roots[screen].root).unwrap().reply().unwrap().children;
    let window = windows.into_iter().find(|window| shows(&display, *window, atom("_NET_WM_PID"), process));
    let window = window.expect("the app has no window");
    let question = [atom("WM_DELETE_WINDOW"), x11rb::CURRENT_TIME, 0, 0, 0];
    let event = ClientMessageEvent::new(32, window, atom("WM_PROTOCOLS"), question);
    display.send_event(false, window, EventMask::NO_EVENT, event).unwrap().check().unwrap();
}

fn shows(display: &impl Connection, window: Window, process_id: Atom, process: u32) -> bool {
    let property = display.get_property(false, window, process_id, AtomEnum::CARDINAL, 0, 1).unwrap().reply();
    let is_of_process =
        property.is_ok_and(|property| property.value32().is_some_and(|mut ids| ids.next() == Some(process)));
    let attributes = display.get_window_attributes(window).unwrap().reply();
    is_of_process && attributes.is_ok_and(|attributes| attributes.map_state == MapState::VIEWABLE)
}
