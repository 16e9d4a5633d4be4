import { Crosshair, Square } from 'lucide-react';
import { useId, useState } from 'react';

import { Alert } from '@/components/alert';
import { Logo } from '@/components/logo';
import { Button } from '@/components/ui/button';
import { ConfirmDialog } from '@/components/ui/confirm-dialog';
import { RadioCards } from '@/components/ui/radio-cards';
import { formatCount, formatDuration, formatPlural } from '@/lib/format';
import type { DrillOptions, DrillReport } from '@/platform/cluster-types';

import { Card, Section } from '../parts/section';
import { ChatsSlider } from './chats-slider';
import { drill } from './drill';
import { Figures } from './figures';

/** Kills a pod while it answers and reports what was lost and how long it took. */
export function DrillCard({ url, maxChats }: { url: string; maxChats: number }) {
  const { options, update, running, problem } = drill.use();
  const [app, setApp] = useState<DrillOptions['app']>(options?.app ?? 'backend');
  const [chats, setChats] = useState(options?.chats ?? 8);
  const [asked, setAsked] = useState(false);
  const headingId = useId();
  return (
    <Section title="Failure drill">
      <Card className="@container">
        <div className="space-y-4 p-4">
          <p id={headingId} className="text-sm text-muted">
            Starts chats, kills one pod in the middle of an answer, and counts what was cut, what was lost,
            and how long a new pod took. Which pod?
          </p>
          <RadioCards
            labelledBy={headingId}
            value={app}
            onChange={setApp}
            options={[
              { value: 'backend', title: 'A backend', text: 'It holds the model and writes the answers.' },
              { value: 'frontend', title: 'A frontend', text: 'It serves the page and passes requests on.' },
            ]}
          />
          <div className="max-w-sm">
            <ChatsSlider
              label="Chats during the drill"
              value={chats}
              max={maxChats}
              disabled={running}
              onChange={setChats}
            />
          </div>
          {running ? (
            <Button onClick={drill.end}>
              <Square />
              Stop
            </Button>
          ) : (
            <Button onClick={() => setAsked(true)}>
              <Crosshair />
              Kill a {app} pod…
            </Button>
          )}
          {problem !== null && <Alert>{problem}</Alert>}
        </div>
        {update && <Report report={update} running={running} />}
      </Card>
      <ConfirmDialog
        open={asked}
        onOpenChange={setAsked}
        title={`Kill a ${app} pod?`}
        confirmLabel="Kill it"
        tone="danger"
        onConfirm={() => drill.begin({ url, app, chats })}
      >
        {formatPlural(chats, 'chat')} will be answered by {url} when it happens. People who use the service
        now may notice it too.
      </ConfirmDialog>
    </Section>
  );
}

function Report({ report, running }: { report: DrillReport; running: boolean }) {
  return (
    <div className="space-y-4 border-t border-line p-4">
      <p role="status" className="flex items-center gap-2 text-sm font-medium">
        {running && <Logo sailing className="size-4 text-accent" />}
        {report.stage}
      </p>
      <Figures
        figures={[
          ['Answers', formatCount(report.answers)],
          ['Complete', formatCount(report.complete)],
          ['Cut', formatCount(report.interrupted)],
          ['Characters lost', formatCount(report.lost_characters)],
          ['Not answering for', duration(report.unavailable_ms)],
          ['Replaced after', duration(report.replaced_after_ms)],
        ]}
      />
      {report.killed_pod !== null && (
        <p className="text-xs text-muted">
          Killed: <span className="font-mono [overflow-wrap:anywhere]">{report.killed_pod}</span>
        </p>
      )}
      {report.sentences.length > 0 && (
        <ul className="space-y-1 text-sm text-pretty">
          {report.sentences.map((sentence, index) => (
            <li key={index}>{sentence}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

function duration(milliseconds: number | null): string | null {
  return milliseconds === null ? null : formatDuration(milliseconds);
}
