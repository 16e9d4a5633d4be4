import { create } from 'zustand';

interface SidebarStore {
  /** Whether the drawer is open; wide windows always show the sidebar. */
  open: boolean;
  show: () => void;
  hide: () => void;
}

export const useSidebar = create<SidebarStore>()((set) => ({
  open: false,
  show: () => set({ open: true }),
  hide: () => set({ open: false }),
}));
