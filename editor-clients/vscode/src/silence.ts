// Why nothing is asked of the server at all: turned off, turned off for a language, asleep for a while.
// Knows what a person chose. Knows no server.

import { EventEmitter, type Disposable } from "vscode";
import { isEnabled, isLanguageEnabled } from "./options";

export class Silence implements Disposable {
  private until: Date | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly changed = new EventEmitter<void>();
  readonly onChange = this.changed.event;

  /** A sentence, or undefined where suggestions are wanted. */
  reason(language: string | undefined): string | undefined {
    if (!isEnabled()) {
      return "turned off for this workspace (quickfill.enabled)";
    }
    if (language !== undefined && !isLanguageEnabled(language)) {
      return `turned off for ${language} (quickfill.languages)`;
    }
    return this.until && `asleep until ${this.until.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
  }

  get isAsleep(): boolean {
    return this.until !== undefined;
  }

  sleep(minutes: number): void {
    clearTimeout(this.timer);
    const milliseconds = minutes * 60_000;
    this.until = new Date(Date.now() + milliseconds);
    this.timer = setTimeout(() => this.wake(), milliseconds);
    this.changed.fire();
  }

  wake(): void {
    clearTimeout(this.timer);
    this.until = undefined;
    this.changed.fire();
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.changed.dispose();
  }
}
