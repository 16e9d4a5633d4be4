import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { preloadMarkdown } from '@/features/chat/markdown/lazy-markdown';
import { startTheme } from '@/features/settings/theme';
import { repairLanguage } from '@/lib/language';

import { App } from './app';
import './index.css';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root.');

repairLanguage();
startTheme();
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
preloadMarkdown();
